"""Who may import whom: the contracts of pyproject.toml hold, and each of them bites."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "pyproject.toml"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

PLANTED = [
    ("db", "import flowrunner.engine", "Floors"),
    ("api", "import flowrunner.client", "Floors"),
    ("attic", "", "Floors"),
    ("core", "import time", "The core is pure"),
    ("client", "import flowrunner.core", "The client knows only the wire"),
    ("dispatch", "import flowrunner.definitions", "The dispatcher knows tasks, not flows"),
]


def contracts() -> list[dict[str, Any]]:
    return tomllib.loads(CONFIG.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def lint(folder: Path) -> tuple[int, str]:
    """Check the flowrunner package below *folder* against the project's contracts."""
    command = [LINT_IMPORTS, "--config", CONFIG, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def miniature(folder: Path) -> Path:
    """Write a flowrunner of empty rooms, one per layer named in the contracts."""
    for layer in contracts()[0]["layers"]:
        for room in layer.split("|"):
            package = folder / "flowrunner" / room.strip(" ()")
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
    (folder / "flowrunner" / "__init__.py").touch()
    return folder / "flowrunner"


def test_the_floors_hold() -> None:
    """No module reaches up a floor, and the core imports nothing impure."""
    code, told = lint(ROOT / "src")

    assert code == 0, told


def test_a_tidy_house_passes(tmp_path: Path) -> None:
    """Empty rooms break no contract, so what breaks below is the planted import."""
    miniature(tmp_path)

    code, told = lint(tmp_path)

    assert (code, "0 broken" in told) == (0, True), told


@pytest.mark.parametrize(("room", "line", "contract"), PLANTED)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, room: str, line: str, contract: str
) -> None:
    """An import up, sideways, impure or out of an unlisted room is found by name."""
    planted = miniature(tmp_path) / room
    planted.mkdir(exist_ok=True)
    (planted / "__init__.py").write_text(line, encoding="utf-8")

    code, told = lint(tmp_path)

    assert code == 1
    assert f"{contract} BROKEN" in told
    assert told.count(" BROKEN") == 1


def test_every_contract_has_a_planted_import() -> None:
    """A contract added later comes with the import that breaks it."""
    assert {contract["name"] for contract in contracts()} == {name for _, _, name in PLANTED}
