"""Change the core everywhere, a little at a time, and list what no test notices: `make mutmut`.

mutmut makes the mutants and runs the tests. Two rounds: the tests by words of tests/unit/core, which
take a second, see most of them; what they leave is shown to the laws. The folder keeps the verdicts,
so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mutants.copies import ROOT

MODULES = (
    *("deciding", "scheduling", "settling", "generations", "approving", "controlling"),
    *("beginning", "draft", "admission", "readiness", "retries", "children", "meaning", "vector"),
    "repairing",
    *("decision", "expressions", "expression_values", "expression_reading", "expression_text"),
    *(
        "expression_tokens",
        "expression_types",
        "substitution",
        "model",
        "folding",
        "codec",
        "graph",
    ),
    *("layout", "inputs", "events", "transitions", "errors", "drawing", "validation"),
    "bodies",
)
"""Those that decide first."""

_CORE = "src/flowrunner/core"
_BESIDE = ("flows", "personas", "docs")
_PARTS = ("src", "tests", *_BESIDE)
_SLOW = ("tests/unit/core/test_expression_bounds.py", "tests/unit/core/test_diamonds.py")
_UNDECIDED = None
_NOTICED = frozenset({1, 3, 24, -24, 36, 152, 255})
"""Exit codes of a mutant whose tests failed, or did not end in twenty times their usual time."""
_CONFIG = """

[tool.mutmut]
source_paths = ["src"]
only_mutate = ["{core}/*"]
also_copy = {beside}
pytest_add_cli_args = {args}
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
track_dependencies = false
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Which tests look at mutants, in which folder."""

    folder: Path
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Copy the product as it is now; verdicts about functions that stayed the same are kept."""
        for part in _PARTS:
            shutil.rmtree(self.folder / part, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, self.folder / part, ignore=ignored)
        # Hypothesis is imported before pytest could rewrite it: see _play.
        warning = "ignore::pytest.PytestAssertRewriteWarning"
        args = ["-pno:xdist", "-pno:cacheprovider", "-W", warning]
        config = _CONFIG.format(
            core=_CORE,
            beside=json.dumps(_BESIDE),
            args=json.dumps([*args, *(f"--deselect={test}" for test in self.without)]),
            tests=json.dumps(self.tests),
        )
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        (self.folder / "pyproject.toml").write_text(project + config, encoding="utf-8")

    def play(self, *names: str) -> None:
        """Let mutmut go through *names*, one mutant at a time."""
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
        program = [sys.executable, "-m", "mutants.everywhere", "--play", *names]
        env = {**os.environ, "PYTHONPATH": path, "HYPOTHESIS_PROFILE": "mutants"}
        with (self.folder / "log").open("w") as log:
            subprocess.run(program, cwd=self.folder, env=env, stdout=log, stderr=log, check=True)

    def verdicts(self, module: str) -> dict[str, int | None]:
        """What is known of a module's mutants: an exit code of pytest, None for not yet."""
        kept = self.folder / "mutants" / _CORE / f"{module}.py.meta"
        if not kept.exists():
            return {}
        return dict(json.loads(kept.read_text(encoding="utf-8"))["exit_code_by_key"])


def main() -> int:
    """Say of each module how many mutants there were, and which of them nobody noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules of the core; all, if none is named")
    parser.add_argument("--folder", type=Path, default=ROOT / ".mutmut", help="keeps the verdicts")
    parser.add_argument("--play", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.play:
        return _play(given.play)
    words = Round(given.folder / "words", ("tests/unit/core",), _SLOW)
    laws = Round(given.folder / "laws", ("tests/unit/core", "tests/unit/laws"), _SLOW[:1])
    for each in (words, laws):
        each.folder.mkdir(parents=True, exist_ok=True)
        each.prepare()
    sys.stdout.write(
        "| module | mutants | words | laws | nobody |\n| --- | --- | --- | --- | --- |\n"
    )
    for module in given.modules or MODULES:
        _report(module, words, laws)
    return 0


def _report(module: str, words: Round, laws: Round) -> None:
    known = words.verdicts(module)
    undecided = [name for name, code in known.items() if code is _UNDECIDED]
    if undecided or not known:
        words.play(*(undecided or [f"flowrunner.core.{module}.*"]))
    left = [name for name, code in words.verdicts(module).items() if code not in _NOTICED]
    after = laws.verdicts(module)
    undecided = [name for name in left if after.get(name) is _UNDECIDED]
    if undecided:
        laws.play(*undecided)
    after = laws.verdicts(module)
    nobody = [name for name in left if after[name] not in _NOTICED]
    total = len(words.verdicts(module))
    counts = (total, total - len(left), len(left) - len(nobody), len(nobody))
    sys.stdout.write(f"| {module} | {' | '.join(map(str, counts))} |\n")
    sys.stdout.writelines(f"    {name}\n" for name in nobody)
    sys.stdout.flush()


def _play(names: list[str]) -> int:
    """Be mutmut, in the folder of a round.

    Its detours take room on the stack of whatever recurses. And a mutant dies of the first example
    that tells it apart: to look for the smallest one would only take time.
    """
    from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415
    from mutmut.__main__ import cli  # noqa: PLC0415

    settings.register_profile(
        "mutants",
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    sys.setrecursionlimit(6_000)
    cli(["run", "--max-children", "1", *names], standalone_mode=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
