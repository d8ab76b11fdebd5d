"""How a flow's modules are run: from pinned text, with names of their own, leaving no trace."""

import sys
from pathlib import Path

import pytest

from flowrunner.core.errors import Problem
from flowrunner.definitions.definition import Definition, define
from flowrunner.definitions.library import Library
from flowrunner.definitions.loader import ROOT
from flowrunner.definitions.sources import MAX_BYTES, Snapshot
from unit.definitions.shelf import a_flow, a_level

PACKAGE = {
    "review/__init__.py": "from .words import GREETING\n" + a_flow("review", rest="title=GREETING"),
    "review/words.py": "from .deep.well import WATER\nGREETING = 'hello ' + WATER\n",
    "review/deep/__init__.py": "",
    "review/deep/well.py": "WATER = 'water'\n",
    "review/prompt.md": "Read.\n",
}


def load(level: Path, name: str) -> Definition:
    return Library.discover([level]).get(name)


def test_a_package_reaches_its_own_modules(tmp_path: Path) -> None:
    """Relative imports work at any depth, and all files of the package are pinned."""
    found = load(a_level(tmp_path, PACKAGE), "review")

    assert found.flow.title == "hello water"
    assert found.sources == PACKAGE


def test_a_file_reaches_shared_modules_and_pins_what_it_uses(tmp_path: Path) -> None:
    """A module beside the flow that begins with `_` is shared; unused ones are not its concern."""
    files = {
        "x.py": "from ._shared import TITLE\n" + a_flow(rest="title=TITLE"),
        "_shared.py": "TITLE = 'shared'\n",
        "_other.py": "raise RuntimeError\n",
    }

    found = load(a_level(tmp_path, files), "demo")

    assert found.flow.title == "shared"
    assert sorted(found.sources) == ["_shared.py", "x.py"]


def test_flows_cannot_see_each_other(tmp_path: Path) -> None:
    """Two flows with a helper of the same name have each their own."""
    files = {
        "a/__init__.py": "from .name import NAME\n" + a_flow("a", rest="title=NAME"),
        "a/name.py": "NAME = 'of a'\n",
        "b/__init__.py": "from .name import NAME\n" + a_flow("b", rest="title=NAME"),
        "b/name.py": "NAME = 'of b'\n",
    }

    library = Library.discover([a_level(tmp_path, files)])

    assert [library.get(name).flow.title for name in "ab"] == ["of a", "of b"]


def test_loading_leaves_no_trace(tmp_path: Path) -> None:
    """The search path is as before, the project got no file, and names cannot collide."""
    level = a_level(tmp_path, PACKAGE)
    path, before = list(sys.path), {str(file) for file in tmp_path.rglob("*")}
    modules = set(sys.modules)

    load(level, "review")

    assert sys.path == path
    assert {str(file) for file in tmp_path.rglob("*")} == before
    assert {name.split(".")[0] for name in set(sys.modules) - modules} == {ROOT}


def test_an_edited_file_is_loaded_anew(tmp_path: Path) -> None:
    """Same size, same second: no cache may answer with the old text."""
    level = a_level(tmp_path, {"x.py": a_flow(rest="title='one'")})
    first = load(level, "demo")
    a_level(tmp_path, {"x.py": a_flow(rest="title='two'")})

    second = load(level, "demo")

    assert (first.flow.title, second.flow.title) == ("one", "two")
    assert first.hash != second.hash


def test_a_load_that_failed_is_tried_afresh(tmp_path: Path) -> None:
    """What was mended outside the flow's files counts: nothing half-run is kept."""
    place = tmp_path / "setting"
    files = {
        "p/__init__.py": "from .look import FOUND\nassert FOUND\n" + a_flow("p"),
        "p/look.py": f"from pathlib import Path\nFOUND = Path({str(place)!r}).exists()\n",
    }
    level = a_level(tmp_path, files)
    assert [p.code for p in Library.discover([level]).problems] == ["import-error"]

    place.touch()

    assert Library.discover([level]).names() == ("p",)


def test_what_is_imported_late_is_the_pinned_text(tmp_path: Path) -> None:
    """D2-21: a step that imports in its body gets the text of its hash, not of the file now."""
    run = "def run(ctx):\n    from .late import WORD\n    return WORD\n"
    steps = "Step('a', kind='code', run=run),"
    files = {"p/__init__.py": run + a_flow("p", steps), "p/late.py": "WORD = 'then'\n"}
    level = a_level(tmp_path, files)
    (step,) = load(level, "p").flow.steps
    a_level(tmp_path, {"p/late.py": "WORD = 'now'\n"})

    assert callable(step.run)
    assert step.run(None) == "then"  # pyright: ignore[reportArgumentType]  # it asks for nothing


def test_an_unpinned_module_cannot_be_imported_late(tmp_path: Path) -> None:
    """A shared module outside the hash could change unseen, so it is not there at all."""
    run = "def run(ctx):\n    from ._shared import WORD\n    return WORD\n"
    files = {"x.py": run + a_flow(steps="Step('a', kind='code', run=run),"), "_shared.py": "WORD=1"}
    (step,) = load(a_level(tmp_path, files), "demo").flow.steps

    assert callable(step.run)
    with pytest.raises(ModuleNotFoundError):
        step.run(None)  # pyright: ignore[reportArgumentType]  # it asks for nothing


def test_a_flow_comes_back_from_its_pinned_text(tmp_path: Path) -> None:
    """D2-21, F5: texts that a run pinned give the same definition when the files are gone."""
    found = load(a_level(tmp_path, PACKAGE), "review")

    again = define(Snapshot(tmp_path / "gone", "review/__init__.py", found.sources), {})

    assert isinstance(again, Definition)
    assert (again.hash, again.flow.title) == (found.hash, "hello water")


def test_an_absolute_import_of_an_own_file_is_explained(tmp_path: Path) -> None:
    """The usual mistake gets the usual answer."""
    files = {"p/__init__.py": "import words\n", "p/words.py": ""}

    (problem,) = Library.discover([a_level(tmp_path, files)]).problems

    assert problem.hint == "files of a flow are imported relatively: from .name import ..."


def test_an_error_deep_in_a_package_is_placed_there(tmp_path: Path) -> None:
    """The line is the author's, in the file where it happened."""
    files = {"p/__init__.py": "from . import words\n", "p/words.py": "\nx = 1 / 0\n"}
    level = a_level(tmp_path, files)

    (problem,) = Library.discover([level]).problems

    assert (problem.file, problem.line) == (str(level / "p" / "words.py"), 2)


def problem_with(folder: Path, content: bytes) -> Problem:
    level = a_level(folder, {})
    (level / "x.py").write_bytes(content)
    (problem,) = Library.discover([level]).problems
    return problem


@pytest.mark.parametrize(
    ("content", "code"), [(b"\xff\xfe", "not-utf8"), (b"#" * (MAX_BYTES + 1), "too-large")]
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    """What cannot be pinned as text cannot be a flow."""
    assert problem_with(tmp_path, content).code == code
