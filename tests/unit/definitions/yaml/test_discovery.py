"""YAML flows are found where flows in Python are, by the same rules, and pinned the same way."""

from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidFlowError
from flowrunner.definitions.library import Library
from flowrunner.definitions.pinned import rebuild, stored_form
from unit.definitions.shelf import PERSONA, a_flow, a_level

SMALL = "flow: {}\nsteps:\n  - id: a\n    persona: newcomer\n    agent: {}\n"


def small(name: str, text: str = "hi") -> str:
    """A flow of one step."""
    return SMALL.format(name, text)


def test_both_kinds_are_found_on_a_level(tmp_path: Path) -> None:
    """F20: `x.flow.yaml` is a flow; other YAML, and what begins with `_`, is not."""
    files = {
        "one.py": a_flow("one"),
        "two.flow.yaml": small("two"),
        "_three.flow.yaml": small("three"),
        "compose.yaml": "services: {}",
    }

    library = Library.discover([a_level(tmp_path, files, {"newcomer": PERSONA})])

    assert (library.names(), library.problems) == (("one", "two"), ())
    found = library.get("two")
    assert found.personas == {"newcomer": PERSONA.strip()}
    assert found.sources == {"two.flow.yaml": small("two")}


def test_a_name_twice_over_both_kinds_names_both_files(tmp_path: Path) -> None:
    """F20: no order of files decides which of two is meant."""
    files = {"a.py": a_flow("demo"), "b.flow.yaml": small("demo")}
    level = a_level(tmp_path, files, {"newcomer": PERSONA})

    library = Library.discover([level])

    (problem,) = library.problems
    places = f"{level / 'a.py'}, {level / 'b.flow.yaml'}"
    assert problem.message == f"flow 'demo' is defined more than once: {places}"


def test_a_nearer_flow_shadows_a_farther_one_of_the_other_kind(tmp_path: Path) -> None:
    """F20: project, then user, then shipped, whatever a flow is written in."""
    near = a_level(tmp_path / "near", {"x.flow.yaml": small("demo")}, {"newcomer": PERSONA})
    far = a_level(tmp_path / "far", {"demo.py": a_flow("demo")})

    library = Library.discover([near, far])

    assert library.get("demo").file.endswith("x.flow.yaml")
    assert [each.file for each in library.shadowed] == [str(far / "demo.py")]


def test_the_text_of_the_file_is_what_is_pinned(tmp_path: Path) -> None:
    """F5, D2-21: any change of the file is another definition; the same text is the same one."""
    hashes = [
        Library.discover(
            [a_level(tmp_path / str(n), {"x.flow.yaml": text}, {"newcomer": PERSONA})]
        ).get("demo").hash
        for n, text in enumerate((small("demo"), small("demo", "ho"), small("demo")))
    ]  # fmt: skip

    assert hashes[0] == hashes[2] != hashes[1]


def test_a_run_keeps_its_flow_when_the_file_is_gone(tmp_path: Path) -> None:
    """F5, D2-21: what is stored with a run is all that is needed to make the flow again."""
    level = a_level(tmp_path, {"x.flow.yaml": small("demo")}, {"newcomer": PERSONA})
    found = Library.discover([level]).get("demo")
    stored = stored_form(found)
    (level / "x.flow.yaml").unlink()

    again = rebuild(stored, found.hash)

    assert again is not None
    assert (again.name, again.graph) == ("demo", found.graph)
    assert rebuild({**stored, "texts": {"x.flow.yaml": small("demo", "ho")}}, found.hash) is None


@pytest.mark.parametrize("name", ["bad.flow.yaml", "bad.flow.yml"])
def test_a_broken_file_keeps_its_name_and_harms_no_other(tmp_path: Path, name: str) -> None:
    """F20, P11: it is listed as broken, under the name that its file has."""
    files = {"good.py": a_flow("good"), name: "flow: ["}

    library = Library.discover([a_level(tmp_path, files)])

    assert library.names() == ("good",)
    with pytest.raises(InvalidFlowError):
        library.get("bad")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """D2-26: bytes that are no UTF-8 are a problem of that file."""
    level = a_level(tmp_path, {})
    (level / "x.flow.yaml").write_bytes(b"flow: \xff")

    (problem,) = Library.discover([level]).problems

    assert problem.code == "not-utf8"


def test_five_hundred_flows_are_read_quickly(tmp_path: Path) -> None:
    """F21: a folder of 500 flows is no burden: what is listed is parsed once, and nothing runs."""
    files = {f"f{n}.flow.yaml": small(f"f{n}") for n in range(500)}

    library = Library.discover([a_level(tmp_path, files, {"newcomer": PERSONA})])

    assert len(library.names()) == 500
