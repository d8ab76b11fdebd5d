"""Flow files that do harm, by mistake or not: each is told, none stops or hides the others."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flowrunner.core.errors import Problem
from flowrunner.core.validation import MAX_PROBLEMS
from flowrunner.definitions.library import Library
from flowrunner.definitions.loader import ROOT, Loaded, load
from flowrunner.definitions.sources import MAX_BYTES, MAX_FILES, MAX_TOTAL, Snapshot, take_snapshot
from unit.definitions.shelf import a_flow, a_level

TABLE = (Path(__file__).parent / "hostile.txt").read_text(encoding="utf-8").split("---\n")
PAIRS = [case.removesuffix("\n").split("\n=> ") for case in TABLE]
SHARED = {"_a.py": "from ._b import B\nA = 1\n", "_b.py": "from ._a import A\nB = 1\n"}


def told(level: Path) -> list[str]:
    """Return the problems of a level as users see them, places relative to it."""
    problems = Library.discover([level]).problems
    return [str(problem).replace(f"{level.resolve()}/", "") for problem in problems]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("case", PAIRS, ids=[f"case-{n}" for n in range(1, len(PAIRS) + 1)])
def test_a_hostile_module_is_told_and_harms_no_other(tmp_path: Path, case: list[str]) -> None:
    """D2-26, F4, P11: exact words and places; the flow beside it is there as ever."""
    text, *expected = case
    level = a_level(tmp_path, {"x.py": f"{text}\n", "good.py": a_flow("good"), **SHARED})

    problems = [each.replace("\n    ", "\n   ") for each in told(level)]

    assert expected
    assert problems == expected
    assert Library.discover([level]).names() == ("good",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("while True:\n    pass\n", 2),
        ("import time\nwhile True:\n    time.sleep(0.001)\n", 3),
    ],
    ids=["loop", "naps"],
)
def test_a_module_that_does_not_end_is_ended(tmp_path: Path, text: str, line: int) -> None:
    """D2-26, F4: a loop at import is a problem of that flow; its thread is gone, and its module."""
    level = a_level(tmp_path, {"x.py": text})
    snapshot = take_snapshot(level, level / "x.py")
    assert isinstance(snapshot, Snapshot)

    problem = load(snapshot, 0.2)

    assert isinstance(problem, Problem)
    assert (problem.code, problem.message) == (
        "import-error",
        "the module has not ended after 0.2 s",
    )
    assert problem.line in {line, line - 1}
    assert not [name for name in sys.modules if name.startswith(f"{ROOT}.f{snapshot.fingerprint}")]
    assert not [each.name for each in threading.enumerate() if each.name.startswith("import ")]


def test_what_a_module_prints_is_not_what_a_command_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout is a command's answer, often JSON; a flow's own words go to stderr."""
    level = a_level(tmp_path, {"x.py": f"print('loud')\n{a_flow('demo')}"})

    assert Library.discover([level]).names() == ("demo",)

    assert capsys.readouterr() == ("", "loud\n")


def test_a_process_ends_though_a_flow_has_started_threads(tmp_path: Path) -> None:
    """D2-26: neither a thread that loops nor one that sleeps keeps a command from its end."""
    text = (
        "import threading, time\n"
        "def loop():\n    while True: time.sleep(0.01)\n"
        "threading.Thread(target=loop, daemon=False).start()\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
    )
    level = a_level(tmp_path, {"x.py": text})
    program = (
        "import sys; from pathlib import Path; from flowrunner.definitions.library import Library;"
        "print(*[p.message for p in Library.discover([Path(sys.argv[1])]).problems])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(level)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout == "the module has started a thread\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# \0\n", "x.py:1: not-text: a file of a flow is text, without a NUL"),
        (b"# \xff\n", "x.py: not-utf8: a file of a flow is UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), f"x.py: too-large: a file of a flow has at most {MAX_BYTES} bytes, not {MAX_BYTES + 1}"),
        (b"y = " + b"(" * 10_000, "x.py:1:205: syntax-error: too many nested parentheses"),
        (b"y = " + b"-" * 10_000 + b"1", "x.py: syntax-error: it nests too deep to be compiled"),
        (b"y = 1" + b" + 1" * 50_000, "x.py: syntax-error: it nests too deep to be compiled"),
    ],
    ids=["nul", "latin", "large", "parentheses", "minus", "plus"],
)  # fmt: skip
def test_a_file_that_is_no_program_is_told(tmp_path: Path, content: bytes, expected: str) -> None:
    """D2-26: whatever bytes a file holds, they are told of, and nothing raises."""
    level = a_level(tmp_path, {})
    (level / "x.py").write_bytes(content)

    (problem,) = told(level)

    assert problem == expected


@pytest.mark.parametrize("start", ["\ufeff", "# -*- coding: latin-1 -*-\n", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_editors_do_to_files_is_no_mistake(tmp_path: Path, start: str, end: str) -> None:
    """F4: a byte order mark and the line ends of other systems are read as Python reads them."""
    level = a_level(tmp_path, {})
    (level / "x.py").write_bytes(f"{start}{a_flow('demo')}".replace("\n", end).encode())

    assert Library.discover([level]).names() == ("demo",)


def test_a_name_that_cannot_be_imported_or_shown_is_told(tmp_path: Path) -> None:
    """F4, P11: a dot in a name, and bytes that are no UTF-8, are problems with a hint."""
    level = a_level(tmp_path, {"x.y.py": a_flow("demo")})
    (Path(str(level)) / b"\xff.py".decode("utf-8", "surrogateescape")).write_text("")

    problems = [problem.replace("\n    ", "\n   ") for problem in told(level)]

    hint = "\n   hint: rename it: letters, digits and _"
    dotted = "a flow's file has no dot in its name, or it could not be imported"
    assert problems == [
        f"x.y.py: bad-file-name: {dotted}{hint}",
        f"?.py: bad-file-name: the file's name is not UTF-8{hint}",
    ]


def test_folders_that_are_linked_in_a_circle_are_told(tmp_path: Path) -> None:
    """D2-26: a package is read to a bound, so that two links to itself are no endless folder."""
    level = a_level(tmp_path, {"x/__init__.py": a_flow("demo")})
    for name in ("one", "two"):
        (level / "x" / name).symlink_to(level / "x")

    (problem,) = told(level)

    expected = f"too-large: a flow has at most {MAX_FILES:,} files beside it, and here are more"
    assert expected in problem


def test_many_files_are_too_large_together(tmp_path: Path) -> None:
    """D2-37: all texts of a flow are stored with its runs, so all of them have a bound."""
    text = "#" * MAX_BYTES
    count = MAX_TOTAL // MAX_BYTES
    files = {f"x/n{n}.txt": text for n in range(count)}

    (problem,) = told(a_level(tmp_path, {"x/__init__.py": a_flow("demo"), **files}))

    assert f"at most {MAX_TOTAL} characters together" in problem


def test_a_reader_is_told_a_hundred_problems_and_that_there_are_more(tmp_path: Path) -> None:
    """D2-26: ten thousand wrong names are told in seconds, since each hint asks all names."""
    steps = "*[Step(f's{n}', run='hi', needs=['zzz']) for n in range(3000)],"

    problems = told(a_level(tmp_path, {"x.py": a_flow("demo", steps)}))

    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1] == (
        "x.py: too-many-problems: there are more: these 100 are what was found first"
    )


def test_a_module_that_failed_is_loaded_anew(tmp_path: Path) -> None:
    """F4: nothing of a failed import stays: the same text, once it can be imported, is a flow."""
    flag = tmp_path / "flag"
    text = f"import pathlib\nassert pathlib.Path({str(flag)!r}).exists()\n{a_flow('demo')}"
    level = a_level(tmp_path, {"x.py": text})
    snapshot = take_snapshot(level, level / "x.py")
    assert isinstance(snapshot, Snapshot)
    assert isinstance(load(snapshot), Problem)

    flag.touch()

    assert isinstance(load(snapshot), Loaded)
