"""A copy of the product that may be broken: patched in one place, tested, and healed again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("src", "tests", "alembic", "alembic.ini", "flows", "personas", "docs", "pyproject.toml")
_SECONDS = 180.0


class MisfitError(Exception):
    """A mutant is not of this product: what it replaces is gone, or there more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """*old* becomes *new*, once, in *file*."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """What *edits* make of the product, and the *test* that has to notice.

    A test is a node id of pytest; without its parameters it is all of them.
    """

    name: str
    test: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """What one run of a test said. *failed*: by an assertion of its own, not by being broken."""

    failed: bool
    said: str
    seconds: float


@dataclass(slots=True)
class Copy:
    """The product in a folder of its own; *server* is where its tests find PostgreSQL."""

    root: Path
    server: str = ""
    broken: list[str] = field(default_factory=list[str])

    @contextmanager
    def with_(self, mutant: Mutant) -> Generator[list[str]]:
        """Break the copy; gives the places. Raises MisfitError before anything is changed."""
        before = {edit.file: self._text(edit.file) for edit in mutant.edits}
        places, after = patched(mutant, before)
        try:
            for file, text in after.items():
                self._write(file, text)
            yield places
        finally:
            for file, text in before.items():
                self._write(file, text)

    def play(self, *tests: str) -> Played:
        """Run *tests* against the copy as it is."""
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        begun = time.monotonic()
        try:
            ran = self._pytest(report, tests)
        except subprocess.TimeoutExpired:
            return Played(failed=False, said="did not end", seconds=time.monotonic() - begun)
        seconds = time.monotonic() - begun
        if not report.exists():
            return Played(failed=False, said=(ran.stdout + ran.stderr)[-2000:], seconds=seconds)
        failed, said = _read(report)
        return Played(failed, said, seconds)

    def _pytest(self, report: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "pytest", "-q", "-x", f"--junitxml={report}"]
        path = os.pathsep.join(str(self.root / part) for part in ("src", "tests"))
        # Plugins that these tests do without take half of the time.
        env = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        if self.server:
            env["FLOWRUNNER_TEST_DATABASE_URL"] = self.server
        return subprocess.run(
            [*program, "-pno:cacheprovider", "-panyio.pytest_plugin", *tests],
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def _text(self, file: str) -> str:
        return text_of(self.root, file)

    def _write(self, file: str, text: str) -> None:
        path = self.root / file
        path.write_text(text, encoding="utf-8")
        # What was compiled is found by size and second: two versions may share both.
        for left in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            left.unlink()


def a_copy(to: Path) -> Copy:
    """Copy all that tests need of the checkout as it stands, committed or not."""
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, to / part)
    return Copy(to)


def text_of(root: Path, file: str) -> str:
    """The text of *file*; empty when it is gone, so that nothing fits it."""
    path = root / file
    return path.read_text(encoding="utf-8") if path.exists() else ""


def patched(mutant: Mutant, texts: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return where *mutant* changes *texts*, and what it makes of them. Raises MisfitError."""
    after, places = dict(texts), list[str]()
    for edit in mutant.edits:
        found = after[edit.file].count(edit.old)
        if found != 1 or edit.old == edit.new:
            told = f"{edit.file} holds {found} times, instead of once: {edit.old.strip()[:100]!r}"
            raise MisfitError(told)
        begin = after[edit.file].index(edit.old)
        places.append(f"{edit.file}:{after[edit.file].count(chr(10), 0, begin) + 1}")
        after[edit.file] = after[edit.file].replace(edit.old, edit.new)
    for file, text in after.items():
        _must_compile(file, text)
    return places, after


def _must_compile(file: str, text: str) -> None:
    """A mutant that Python cannot read would be noticed by everything, and prove nothing."""
    if file.endswith(".py"):
        try:
            compile(text, file, "exec")
        except SyntaxError as error:
            raise MisfitError(f"{file} is no Python any more: {error}") from error


def _read(report: Path) -> tuple[bool, str]:
    """What pytest wrote: whether a test failed by itself, and what was said."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # our own file
        for told in case:
            if told.tag in ("failure", "error"):
                said = told.get("message", "")
                # The laws that are looked at after a test are a part of it; a fixture is none.
                is_own = told.tag == "failure" or said.startswith("failed on teardown")
                return is_own, said
    return False, ""
