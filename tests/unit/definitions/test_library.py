"""Where flows are found, which one wins, and that one broken file harms no other."""

from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidFlowError, NotFoundError
from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.library import Library
from unit.definitions.shelf import HEAD, PERSONA, a_flow, a_level

ASKS = "Step('a', run=lambda ctx: 'hi', persona='newcomer'),"


def test_files_and_packages_are_flows(tmp_path: Path) -> None:
    """A flow is `x.py` or `x/__init__.py`; what begins with `_` or `.` and other files are not."""
    files = {
        "one.py": a_flow("one"),
        "two/__init__.py": a_flow("two"),
        "_shared.py": "raise RuntimeError",
        ".hidden.py": "raise RuntimeError",
        "folder/readme.py": "raise RuntimeError",
        "notes.txt": "",
    }

    library = Library.discover([a_level(tmp_path, files)])

    assert (library.names(), library.problems) == (("one", "two"), ())


def test_the_nearest_level_wins_and_says_whom_it_hides(tmp_path: Path) -> None:
    """F20: project, then user, then shipped; what cannot be launched for that reason is listed."""
    near = a_level(tmp_path / "near", {"x.py": a_flow("demo", rest="title='near'")})
    far = a_level(tmp_path / "far", {"y.py": a_flow("demo"), "z.py": a_flow("other")})

    library = Library.discover([near, tmp_path / "absent", far])

    assert library.get("demo").flow.title == "near"
    assert library.names() == ("demo", "other")
    assert [(s.name, s.file, s.by) for s in library.shadowed] == [
        ("demo", str(far / "y.py"), str(near / "x.py"))
    ]


def test_a_level_given_twice_is_read_once(tmp_path: Path) -> None:
    """A project that is the checkout itself has its shipped flows once, by whatever path."""
    level = a_level(tmp_path, {"x.py": a_flow()})

    library = Library.discover([level, tmp_path / "flows" / ".." / "flows"])

    assert (library.names(), library.shadowed) == (("demo",), ())


def test_a_name_twice_on_one_level_names_both_files(tmp_path: Path) -> None:
    """No order of files decides which of two is meant: neither can be launched."""
    level = a_level(tmp_path, {"a.py": a_flow(), "b.py": a_flow(), "c.py": a_flow("fine")})

    library = Library.discover([level])

    (problem,) = library.problems
    files = f"{level / 'a.py'}, {level / 'b.py'}"
    assert problem.message == f"flow 'demo' is defined more than once: {files}"
    assert library.names() == ("fine",)
    with pytest.raises(InvalidFlowError):
        library.get("demo")


def test_a_broken_file_harms_no_other(tmp_path: Path) -> None:
    """Each file is on its own, and a broken flow is remembered as broken, not as absent."""
    files = {"good.py": a_flow("good"), "bad_one.py": "1/0", "worse.py": a_flow("w", "Step('a'),")}

    library = Library.discover([a_level(tmp_path, files)])

    assert library.names() == ("good",)
    assert [problem.code for problem in library.problems] == ["import-error", "missing-run"]
    with pytest.raises(InvalidFlowError) as refused:
        library.get("bad-one")
    assert "ZeroDivisionError" in refused.value.problems[0].message


def test_a_broken_flow_is_not_replaced_by_a_farther_one(tmp_path: Path) -> None:
    """Who asked for the nearer flow must not be given another one in silence."""
    near = a_level(tmp_path / "near", {"demo.py": a_flow("demo", "Step('a'),")})
    far = a_level(tmp_path / "far", {"demo.py": a_flow("demo")})

    library = Library.discover([near, far])

    with pytest.raises(InvalidFlowError):
        library.get("demo")
    assert [each.file for each in library.shadowed] == [str(far / "demo.py")]


def test_an_unknown_flow_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """R2-01: an unknown name is an error that says what was probably meant."""
    library = Library.discover([a_level(tmp_path, {"x.py": a_flow("code-review")})])

    with pytest.raises(NotFoundError, match="there is no flow 'code-reviw'") as refused:
        library.get("code-reviw")
    assert refused.value.hint == "did you mean 'code-review'?"


def test_listing_runs_the_module_once_and_no_step(tmp_path: Path) -> None:
    """F21: listing executes no step body, and a module body once however often it is listed."""
    log = tmp_path / "log"
    note = f"def note(word):\n    with open({str(log)!r}, 'a') as log: log.write(word)\n"
    steps = "Step('a', kind='code', run=lambda ctx: note('step ')),"
    text = f"{note}note('body ')\n{a_flow(steps=steps)}"
    level = a_level(tmp_path, {"x.py": text})

    for _ in range(2):
        Library.discover([level]).get("demo")

    assert log.read_text(encoding="utf-8") == "body "


def test_personas_come_from_the_own_level_or_a_farther_one(tmp_path: Path) -> None:
    """F9: what the reviewed project says cannot change whom a shipped flow asks; its own flows may."""
    mild = "# Newcomer\n\nSay that all is fine.\n"
    near = a_level(tmp_path / "near", {"own.py": a_flow("own", ASKS)}, {"newcomer": mild})
    far = a_level(tmp_path / "far", {"demo.py": a_flow("demo", ASKS)}, {"newcomer": PERSONA})

    library = Library.discover([near, far])

    assert library.get("own").personas == {"newcomer": mild.strip()}
    assert library.get("demo").personas == {"newcomer": PERSONA.strip()}


def test_a_nearer_persona_does_not_serve_a_farther_flow(tmp_path: Path) -> None:
    """A flow that only the project's personas would complete stays broken."""
    near = a_level(tmp_path / "near", {}, {"newcomer": PERSONA})
    far = a_level(tmp_path / "far", {"demo.py": a_flow("demo", ASKS)})

    codes = [problem.code for problem in Library.discover([near, far]).problems]

    assert codes == ["unknown-persona"]


def test_the_graph_is_what_the_author_wrote(tmp_path: Path) -> None:
    """R2-09: numbers for names, seconds for spans, the code queue for code, labels in words."""
    steps = """
        Step('find-bugs', kind='code', run=lambda ctx: 1),
        Step('b', needs=('find-bugs',), run='x', retry=2, timeout='1m', on_fail='tolerate',
            when=lambda ctx: True, queue='gpu'),
    """
    level = a_level(tmp_path, {"x.py": a_flow("demo", steps, "deadline='1h'")})

    graph = Library.discover([level]).get("demo").graph

    first, second = graph.steps
    assert (first.queue, first.label, first.limits.total_seconds) == ("code", "Find Bugs", 1800)
    assert (second.needs, second.queue, second.has_when) == ((0,), "gpu", True)
    assert (second.retry.max_attempts, second.limits.total_seconds) == (3, 60)
    assert (second.on_fail, graph.deadline_seconds) == ("tolerate", 3600)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("repo/src/flowrunner", "repo/flows"),
        ("site-packages/flowrunner", "site-packages/flowrunner/_data/flows"),
    ],
)
def test_a_checkout_has_its_own_flows_and_a_wheel_its_copy(
    tmp_path: Path, layout: str, expected: str
) -> None:
    """An editable install reads the checkout, so that what is edited is what runs."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "pyproject.toml").touch()

    assert shipped_folder("flows", tmp_path / layout) == tmp_path / expected


def test_authors_import_from_the_package_itself(tmp_path: Path) -> None:
    """The names of the tutorial are there, and nothing else answers."""
    names = "Census, Context, Launch, Project, ReportContext, StepResult"
    text = (
        f"from flowrunner import {names}\n{HEAD}import flowrunner\nassert 'Flow' in dir(flowrunner)"
    )
    level = a_level(
        tmp_path, {"x.py": f"{text}\n{a_flow()}", "y.py": "from flowrunner import Flows"}
    )

    library = Library.discover([level])

    assert library.names() == ("demo",)
    assert "cannot import name 'Flows'" in library.problems[0].message
