"""A tree is pinned by content, read only below its root, and refuses by a value."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.evidence import tree as trees
from flowrunner.evidence.tree import Refusal, pin_tree, read_bytes, read_lines, split_lines
from unit.evidence.projects import a_project, a_repository, git


def test_a_pin_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    """Whoever holds the pin can tell whether a byte has changed."""
    root = a_repository(tmp_path / "p", {"a.py": "x = 1\n", "b/c.txt": "é"})

    tree = pin_tree(root)

    assert dict(tree.files) == {
        "a.py": hashlib.sha256(b"x = 1\n").hexdigest(),
        "b/c.txt": hashlib.sha256("é".encode()).hexdigest(),
    }
    assert tree.commit == git(root, "rev-parse", "HEAD")
    assert dict(tree.refused) == {}


def test_a_folder_without_git_is_walked(tmp_path: Path) -> None:
    """Environments and caches are left out, hidden project folders are not."""
    files = {
        "a.py": "",
        ".ci/run": "",
        "node_modules/x/y.js": "",
        "env/pyvenv.cfg": "",
        "env/lib/z.py": "",
    }

    tree = pin_tree(a_project(tmp_path, files))

    assert (sorted(tree.files), tree.commit) == ([".ci/run", "a.py"], None)


def test_new_files_are_pinned_and_ignored_ones_are_not(tmp_path: Path) -> None:
    """A review of work in progress sees what is not yet added."""
    root = a_repository(tmp_path / "p", {".gitignore": "*.log\n", "a.py": ""})
    a_project(root, {"new.py": "", "x.log": ""})

    assert sorted(pin_tree(root).files) == [".gitignore", "a.py", "new.py"]


@pytest.mark.parametrize(
    "path",
    [
        *("../out.py", "a/../../out.py", "/etc/passwd", "link.py", "folder/out.py"),
        *(".git/config", "gitlink/config", ".GIT/config", "a\0b"),
    ],
)
def test_nothing_outside_is_read(tmp_path: Path, path: str) -> None:
    """Dots, absolute names, links out of the project and git's own folder are all refused."""
    a_project(tmp_path, {"out.py": "secret\n"})
    root = a_repository(tmp_path / "p", {"in.py": ""})
    (root / "link.py").symlink_to(tmp_path / "out.py")
    (root / "folder").symlink_to(tmp_path)
    (root / "gitlink").symlink_to(".git")

    assert read_bytes(root, path) is Refusal.OUTSIDE
    assert pin_tree(root, [path]).refused == {trees.printable(path): Refusal.OUTSIDE}


def test_a_link_inside_the_project_is_followed(tmp_path: Path) -> None:
    """Projects link their own files; the bytes are the target's."""
    root = a_project(tmp_path, {"docs/readme.md": "hello\n"})
    (root / "README.md").symlink_to("docs/readme.md")

    assert read_bytes(root, "README.md") == b"hello\n"


def test_a_link_swapped_in_after_the_check_is_not_followed(tmp_path: Path) -> None:
    """The name is resolved first and then opened folder by folder, never through a link."""
    a_project(tmp_path, {"out/a.py": "secret\n"})
    root = a_project(tmp_path / "p", {"sub/a.py": "mine\n"})
    place = trees.confine(root, "sub/a.py")
    (root / "sub" / "a.py").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(tmp_path / "out")

    assert not isinstance(place, Refusal)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        trees.open_beneath(root.resolve(), place.parts)


def test_what_is_not_a_readable_text_is_refused_by_name(tmp_path: Path) -> None:
    """Folders, pipes, missing files and files too large each say so; a pipe does not block."""
    root = a_project(tmp_path, {"d/x": "", "huge.txt": b"a" * (trees.MAX_BYTES + 1)})
    os.mkfifo(root / "pipe")

    refused = pin_tree(root, ["d", "pipe", "none.py", "huge.txt", "."]).refused

    assert refused == {
        "d": Refusal.NOT_A_FILE,
        ".": Refusal.NOT_A_FILE,
        "pipe": Refusal.NOT_A_FILE,
        "none.py": Refusal.MISSING,
        "huge.txt": Refusal.TOO_LARGE,
    }


def test_a_name_that_is_not_utf8_is_refused_and_shown_escaped(tmp_path: Path) -> None:
    """JSON cannot carry such a name, so it is named in a form that it can carry."""
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_bytes(b"")

    assert pin_tree(tmp_path).refused == {"caf\\xe9.py": Refusal.NAME_NOT_UTF8}


def test_a_changed_file_is_not_read(tmp_path: Path) -> None:
    """What is cited is judged against the pinned bytes or not at all."""
    root = a_project(tmp_path, {"a.py": "x = 1\n", "b.py": "y = 1\n"})
    tree = pin_tree(root)
    a_project(root, {"a.py": "x = 2\n"})
    (root / "b.py").unlink()

    assert read_lines(tree, "a.py") is Refusal.CHANGED
    assert read_lines(tree, "b.py") is Refusal.MISSING
    assert read_lines(tree, "never.py") is Refusal.MISSING


def test_binary_files_are_pinned_but_not_read(tmp_path: Path) -> None:
    """A picture belongs to the tree; it has no lines to quote."""
    tree = pin_tree(a_project(tmp_path, {"p.png": b"\x89PNG\0\0"}))

    assert "p.png" in tree.files
    assert read_lines(tree, "p.png") is Refusal.BINARY


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    """A Latin-1 file can still be cited, and a byte order mark is not part of the first line."""
    files = {"a.py": b"# caf\xe9\nx = 1\n", "b.py": b"\xef\xbb\xbfx = 1"}
    tree = pin_tree(a_project(tmp_path, files))

    assert read_lines(tree, "a.py") == ("# caf\ufffd", "x = 1")
    assert read_lines(tree, "b.py") == ("x = 1",)


@given(st.text(alphabet="ab\n\r\x0b\x0c\x1c\x85\u2028"))
def test_lines_are_counted_as_python_counts_them(text: str) -> None:
    """Only LF, CRLF and CR end a line, so that line numbers agree with every tool."""
    lines = split_lines(text)

    assert "\n".join(lines) == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    assert len(lines) == len((text.replace("\r\n", "\n").replace("\r", "\n") + "|").split("\n")) - (
        text == "" or text[-1] in "\r\n"
    )
