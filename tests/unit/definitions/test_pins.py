"""What changes a definition's hash, and what does not (D2-21, D2-37)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flowrunner.definitions.library import Library
from flowrunner.definitions.pin import canonical
from unit.definitions.shelf import PERSONA, a_flow, a_level

STEPS = "Step('a', run=lambda ctx: 'hi', persona='newcomer'),"
FILES = {
    "p/__init__.py": "from .words import X\n" + a_flow("p", STEPS),
    "p/words.py": "X = 1\n",
    "p/prompt.md": "Read.\n",
    "_shared.py": "Y = 1\n",
    "other.py": a_flow("other"),
}


def hash_of(folder: Path, files: Mapping[str, str], **personas: str) -> str:
    roles = {"newcomer": PERSONA, "unused": "# U\n\nu\n", **personas}
    return Library.discover([a_level(folder, {**FILES, **files}, roles)]).get("p").hash


def test_the_same_text_has_the_same_hash_anywhere(tmp_path: Path) -> None:
    """A definition is what it says, not where it lies."""
    first, second = hash_of(tmp_path / "a", {}), hash_of(tmp_path / "b", {})

    assert (len(first), second) == (64, first)


@pytest.mark.parametrize("path", ["p/__init__.py", "p/words.py", "p/prompt.md"])
def test_a_changed_file_changes_the_hash(tmp_path: Path, path: str) -> None:
    """D2-21: the flow's text, a helper module, a prompt beside it."""
    changed = {path: FILES[path] + "\n# more\n"}

    assert hash_of(tmp_path / "b", changed) != hash_of(tmp_path / "a", {})


def test_a_changed_persona_changes_the_hash(tmp_path: Path) -> None:
    """D2-37: attempts of one step cannot be told different roles under one hash."""
    changed = hash_of(tmp_path / "b", {}, newcomer=PERSONA + "\nAnd how?\n")

    assert changed != hash_of(tmp_path / "a", {})


def test_what_no_step_could_notice_leaves_the_hash(tmp_path: Path) -> None:
    """An unused persona, another flow and an unused shared module are not part of it."""
    unchanged = hash_of(tmp_path / "a", {})

    assert hash_of(tmp_path / "b", {"other.py": a_flow("other", rest="title='x'")}) == unchanged
    assert hash_of(tmp_path / "c", {"_shared.py": "Y = 2\n"}) == unchanged
    assert hash_of(tmp_path / "d", {}, unused="# U\n\nchanged\n") == unchanged


def test_canonical_json_is_one_text() -> None:
    """Order of keys and blanks do not matter; not-a-number has no text."""
    assert canonical({"b": [1, None], "a": "ü"}) == canonical({"a": "ü", "b": [1, None]})
    assert canonical({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))
