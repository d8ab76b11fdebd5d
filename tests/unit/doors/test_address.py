"""The file that says where this user's server is."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrunner.cli.address import (
    FILE,
    ServerAddress,
    read_address,
    remove_address,
    write_address,
)

OURS = ServerAddress("http://127.0.0.1:8700", 4711, "secret")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """It holds a token, so that nobody else may read it, from the first moment on."""
    folder = tmp_path / "new" / "home"
    write_address(folder, OURS)

    assert read_address(folder) == OURS
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"url": "x"}', '{"url": 1, "pid": "x"}'])
def test_a_broken_file_is_no_server(tmp_path: Path, text: str) -> None:
    """Whatever stands in it, commands go on without a server."""
    file = tmp_path / FILE
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)

    assert read_address(tmp_path) is None


def test_a_file_that_others_can_read_is_not_trusted(tmp_path: Path) -> None:
    """Others could have written it too, and a token would be sent where it says."""
    write_address(tmp_path, OURS)
    (tmp_path / FILE).chmod(0o644)

    assert read_address(tmp_path) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link's own rights say nothing about where it leads."""
    write_address(tmp_path / "elsewhere", OURS)
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere" / FILE)

    assert read_address(tmp_path) is None


def test_only_its_own_server_removes_it(tmp_path: Path) -> None:
    """A server that stops leaves the address of one that was started later."""
    write_address(tmp_path, OURS)

    remove_address(tmp_path, 4712)
    assert read_address(tmp_path) == OURS

    remove_address(tmp_path, 4711)
    assert read_address(tmp_path) is None
    remove_address(tmp_path, 4711)
