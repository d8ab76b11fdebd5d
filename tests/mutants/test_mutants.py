"""The mutants are still of this product, and what `make mutants` says of them can be believed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mutants.copies import ROOT, Copy, Edit, MisfitError, Mutant, a_copy, patched, text_of
from mutants.everywhere import MODULES
from mutants.guards import GUARDS
from mutants.seeded import SEEDED

ALL = (*SEEDED, *GUARDS)
QUICK = ("no self-fence", "cancel after finish", "a prompt speaks of a refused result")
"""Those whose tests need no database; `make mutants` plays them all."""


def texts(mutant: Mutant) -> dict[str, str]:
    return {edit.file: text_of(ROOT, edit.file) for edit in mutant.edits}


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits(mutant: Mutant) -> None:
    """P2, P3: what is broken is there, once, and so is the test that has to notice."""
    places, _after = patched(mutant, texts(mutant))

    file, _, name = mutant.test.partition("::")
    defined = [
        node.name
        for node in ast.parse(text_of(ROOT, file)).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert name in defined
    assert len(places) == len(mutant.edits)


def test_the_twelve_are_twelve() -> None:
    """P1, P2, P3, P4, P12: the list of mistakes is complete, and no name stands for two."""
    assert len(SEEDED) == 12
    assert len({mutant.name for mutant in ALL}) == len(ALL) >= 25


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (Edit("src/gone.py", "x", "y"), "src/gone.py holds 0 times, instead of once: 'x'"),
        (Edit("Makefile", "$(BIN)/python", "y"), "Makefile holds "),
        (Edit("Makefile", "PYTHON ?=", "PYTHON ?="), "Makefile holds 1 times"),
        (Edit("src/flowrunner/core/folding.py", "def fold(", "def ("), "is no Python any more"),
    ],
    ids=["gone", "twice", "no-change", "no-python"],
)
def test_what_does_not_fit_is_told(edit: Edit, told: str) -> None:
    """P11: a mutant of code that has moved on would break nothing, and pass for noticed or not."""
    mutant = Mutant("m", "tests/x.py::y", (edit,))

    with pytest.raises(MisfitError) as misfit:
        patched(mutant, texts(mutant))

    assert told in str(misfit.value)


def test_no_module_of_the_core_is_left_out() -> None:
    """P11: a module that nobody changes would look as if nothing in it survived."""
    core = {file.stem for file in (ROOT / "src/flowrunner/core").glob("*.py")} - {"__init__"}

    assert sorted(MODULES) == sorted(core)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy that passes the tests that have to notice."""
    made = a_copy(Path(tmp_path_factory.mktemp("mutants")))
    whole = made.play(*(mutant.test for mutant in ALL if mutant.name in QUICK))
    assert (whole.failed, whole.said) == (False, "")
    yield made
    # Healed again: whoever comes next finds the product, not the last mutant.
    for mutant in ALL:
        assert {edit.file: text_of(made.root, edit.file) for edit in mutant.edits} == texts(mutant)


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_product_is_noticed(copy: Copy, name: str) -> None:
    """P2, P12, R2-48: without the guard the named test fails, by what it asserts."""
    (mutant,) = (each for each in ALL if each.name == name)

    with copy.with_(mutant):
        played = copy.play(mutant.test)

    assert played.failed
    assert "assert" in played.said.lower()


def test_what_does_not_run_has_noticed_nothing(copy: Copy) -> None:
    """P11: a copy that cannot even be imported is no proof that a test is good."""
    broken = Edit(
        "src/flowrunner/leases/rules.py", "from math import inf\n", "from math import no\n"
    )
    (mutant,) = (each for each in ALL if each.name == "no self-fence")

    with copy.with_(Mutant("no import", mutant.test, (broken,))):
        played = copy.play(mutant.test)

    assert not played.failed
    assert played.said
