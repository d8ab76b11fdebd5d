"""The wheel stands alone: shipped flows, personas and migrations are inside, and it starts."""

import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("flows", "personas", "alembic")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once; pip fetches the build backend where it is not installed."""
    folder = tmp_path_factory.mktemp("wheel")
    python_pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*python_pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("flowrunner-*.whl")
    return built


def sources(folder: Path) -> set[str]:
    return {
        file.relative_to(ROOT).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_what_is_shipped_is_inside(wheel: Path) -> None:
    """Each file of flows, personas and alembic lies under _data, and the types marker beside."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"flowrunner/_data/{path}" for top in SHIPPED for path in sources(ROOT / top)}

    assert sorted(wanted - inside) == []
    assert [top for top in SHIPPED if not any(f"_data/{top}/" in path for path in inside)] == []
    assert "flowrunner/py.typed" in inside


def test_nothing_else_is_inside(wheel: Path) -> None:
    """Only the package and its metadata: no tests, no caches, no locks."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"flowrunner"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".lock")] == []


def test_the_wheel_starts_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, with the dependencies but not the checkout, the program answers."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    libraries = sysconfig.get_path("purelib")
    environment = {"PYTHONPATH": f"{tmp_path}:{libraries}", "PATH": "/usr/bin:/bin"}

    # -S leaves out site-packages' .pth files, and with them the editable install of the checkout.
    command = [sys.executable, "-S", "-m", "flowrunner", "version"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert metadata.version("flowrunner") in done.stdout
