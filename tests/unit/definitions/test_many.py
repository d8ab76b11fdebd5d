"""Listing many flows: each module runs once, no body of a step ever does, and shape is no cost."""

from pathlib import Path

import pytest

from flowrunner.definitions.library import Library
from unit.definitions.shelf import a_level

FLOWS = 500

PLAIN = """
from flowrunner import Flow, Report, Step
note("module")
def never(ctx): note("body")
flow = Flow("NAME", [Step("a", "code", run=never, gate=never, when=never)], never)
"""
FUNCTIONS = """
from flowrunner import Each, Flow, Repeat
note("module")
flow = Flow("NAME", check=lambda launch: note("body"), choose_band=lambda launch: note("body"))
@flow.code(gate=lambda band: note("body"))
def scan() -> list[str]: note("body")
@flow.agent(each=Each(scan, key=lambda it: note("body")), when=lambda scan: note("body"))
def look(it: str) -> str: note("body")
@flow.agent(repeat=Repeat(lambda previous: note("body")))
def polish(previous: str | None) -> str: note("body")
@flow.approval
def ask(look: list[str]) -> str: note("body")
@flow.wait
def rest() -> str: note("body")
@flow.report
def report(look: list[str]) -> str: note("body")
"""


def notes_to(file: Path) -> str:
    """Return the head of a flow's module: `note` writes down what runs."""
    return f"""
def note(what):
    with open({str(file)!r}, "a", encoding="utf-8") as notes:
        notes.write(what + chr(10))
"""


@pytest.mark.parametrize("form", [PLAIN, FUNCTIONS], ids=["plain", "functions"])
def test_listing_runs_modules_once_and_no_body(tmp_path: Path, form: str) -> None:
    """F21, D2-26: 500 flows are listed and checked, and nothing that they would do was done."""
    notes = tmp_path / "notes"
    files = {f"f{n}.py": notes_to(notes) + form.replace("NAME", f"f{n}") for n in range(FLOWS)}

    library = Library.discover([a_level(tmp_path, files)])

    assert (len(library.names()), library.problems) == (FLOWS, ())
    assert notes.read_text(encoding="utf-8") == "module\n" * FLOWS


def test_listing_again_runs_no_module_again(tmp_path: Path) -> None:
    """F21: what has not changed is known."""
    notes = tmp_path / "notes"
    level = a_level(tmp_path, {"x.py": notes_to(notes) + FUNCTIONS.replace("NAME", "x")})

    first, second = Library.discover([level]), Library.discover([level])

    assert first.get("x").hash == second.get("x").hash
    assert notes.read_text(encoding="utf-8") == "module\n"
