"""Persona files: a title, a role, and what is said about a file that has not both."""

from pathlib import Path

import pytest

from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.personas import MAX_BYTES, load_personas

SHIPPED = load_personas(shipped_folder("personas"))


def test_the_first_heading_is_the_title_and_the_rest_the_role(tmp_path: Path) -> None:
    """F9: the whole text is what an agent is told, and its hash names it (D2-37)."""
    (tmp_path / "a-b.md").write_text("# The  Role \n\nYou look.\n\n## More\n", encoding="utf-8")

    (persona,) = load_personas(tmp_path).by_name.values()

    assert (persona.name, persona.title) == ("a-b", "The  Role")
    assert persona.body == "You look.\n\n## More"
    assert persona.text.startswith("# The  Role")
    assert len(persona.sha) == 64


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.md", b"No heading.\n", "no-persona-title"),
        ("a.md", b"## Too deep\n\nx\n", "no-persona-title"),
        ("a.md", b"", "no-persona-title"),
        ("a.md", b"# Title\n\n  \n", "empty-persona"),
        ("a.md", b"# \xff\n\nx\n", "not-utf8"),
        ("a.md", b"# T\n\n" + b"x" * MAX_BYTES, "too-large"),
        ("A B.md", b"# T\n\nx\n", "bad-persona-name"),
    ],
)
def test_what_is_no_persona_is_a_problem_of_its_file(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    """One bad file is told with its name, and the others are there."""
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.md").write_text("# Good\n\nYes.\n", encoding="utf-8")

    found = load_personas(tmp_path)

    assert list(found.by_name) == ["good"]
    assert [(p.code, p.file) for p in found.problems] == [(code, str(tmp_path / name))]


def test_an_absent_folder_has_no_personas(tmp_path: Path) -> None:
    """A level need not have any."""
    assert load_personas(tmp_path / "absent").by_name == {}
