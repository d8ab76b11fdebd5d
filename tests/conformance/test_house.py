"""Sizes, names and manners of src, flows and tests; every measure is shown to bite."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import house

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    file
    for folder in ("src", "flows", "tests")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in file.parts
]
SHIPPED = [file for file in FILES if (ROOT / "tests") not in file.parents]
TESTS = [file for file in FILES if file not in SHIPPED]

Check = Callable[[str], list[str]]


def complaints(files: list[Path], check: Check) -> list[str]:
    """Return the check's complaints, each with its file in front."""
    return [
        f"{file.relative_to(ROOT)}:{complaint}"
        for file in files
        for complaint in check(file.read_text(encoding="utf-8"))
    ]


def test_there_is_something_to_measure() -> None:
    """Both halves are found; an empty list would satisfy every bound below."""
    assert Path(__file__) in TESTS
    assert ROOT / "src" / "flowrunner" / "__init__.py" in SHIPPED


@pytest.mark.parametrize(
    "check",
    [house.long_module, house.long_functions, house.crowded_signatures, house.deep_nesting],
)
def test_nothing_is_too_large(check: Check) -> None:
    """Modules, functions, signatures and nesting stay within the house's bounds."""
    assert complaints(FILES, check) == []


@pytest.mark.parametrize("files", [SHIPPED, TESTS], ids=["shipped", "tests"])
def test_long_functions_are_few(files: list[Path]) -> None:
    """At most a tenth of the functions is longer than 25 lines."""
    assert house.share_of_long(f.read_text(encoding="utf-8") for f in files) <= house.LONG_SHARE


def test_no_name_says_nothing() -> None:
    """Modules, classes and functions avoid the words that fit everything."""
    found = [
        f"{path}:{complaint}"
        for file in FILES
        for path in [file.relative_to(ROOT).as_posix()]
        for complaint in house.forbidden_names(file.read_text(encoding="utf-8"), path)
    ]

    assert found == []


def test_every_test_says_what_it_shows() -> None:
    """A test without a docstring leaves its reader guessing."""
    assert complaints(TESTS, house.undocumented_tests) == []


def test_tests_wait_for_conditions() -> None:
    """Only the polling helper sleeps; a race is waited for, not slept for."""
    assert complaints(TESTS, house.sleeps) == []


def test_only_settings_read_the_environment() -> None:
    """What a process is told comes in through one door (and the embedded server's)."""
    readers = [f for f in SHIPPED if f.name != "settings.py" and "embedded" not in f.parts]

    assert complaints(readers, house.environment_reads) == []


def lines(count: int, line: str = "x = 1") -> str:
    return f"{line}\n" * count


def function(body: str, head: str = "def f():") -> str:
    return head + "\n" + "".join(f"    {line}\n" for line in body.splitlines())


def nested(depth: int) -> str:
    return function("".join("    " * n + "if x:\n" for n in range(depth)) + "    " * depth + "x()")


@pytest.mark.parametrize(
    ("check", "fine", "planted"),
    [
        (house.long_module, lines(300), lines(301)),
        (house.long_functions, function(lines(39)), function(lines(40))),
        (house.long_functions, function('"""' + lines(40, "#") + '"""\n' + lines(37)), ""),
        (
            house.crowded_signatures,
            "def f(a, b, c, d, e, *, g): ...",
            "def f(a, b, c, d, e, g): ...",
        ),
        (house.crowded_signatures, "@router.get('/')\ndef f(a, b, c, d, e, g): ...", ""),
        (house.crowded_signatures, "class A:\n    def f(self, a, b, c, d, e): ...", ""),
        (house.deep_nesting, nested(4), nested(5)),
        (house.undocumented_tests, "def test_a(): 'Says so.'", "def test_a(): ''"),
        (house.undocumented_tests, "def helper(): ...", "async def test_a(): ..."),
        (house.sleeps, "async def until():\n    await asyncio.sleep(1)", "time.sleep(1)"),
        (house.sleeps, "await_ = asyncio.sleep(0)", "async def g():\n    await asyncio.sleep(1)"),
        (house.sleeps, "from time import monotonic", "from time import sleep"),
        (house.environment_reads, "settings.environ", "os.environ['A']"),
        (house.environment_reads, "from os import path", "from os import getenv"),
        (house.forbidden_names, "class Keeper: ...", "class RunManager: ..."),
        (house.forbidden_names, "def data_directory(): ...", "def read_data(): ..."),
        (house.forbidden_names, "def information(): ...", "def list_jobs(): ..."),
    ],
)
def test_each_measure_can_fail(check: Check, fine: str, planted: str) -> None:
    """What is within a bound passes, and a planted violation is found."""
    assert check(fine) == []
    assert len(check(planted)) == bool(planted)


@pytest.mark.parametrize("path", ["src/flowrunner/utils.py", "src/flowrunner/job_store/rows.py"])
def test_a_module_name_can_fail(path: str) -> None:
    """The forbidden words are found in file and folder names too."""
    assert len(house.forbidden_names("", path)) == 1
    assert house.forbidden_names("", "src/flowrunner/_data/flows.py") == []


def test_the_share_of_long_functions_is_a_share() -> None:
    """One long function in four is a quarter; none at all is nothing."""
    short, long = function("x()"), function(lines(25))

    assert house.share_of_long([short, short + short, long]) == 0.25
    assert house.share_of_long([]) == 0


def test_else_if_chains_and_cases_are_flat() -> None:
    """A chain of alternatives is one block deep, an else with an if inside is two."""
    chain = "if a:\n    x()\n" + "elif b:\n    x()\n" * 6
    match = "match a:\n" + "    case 1:\n        x()\n" * 6
    inner = "if a:\n    x()\nelse:\n" + "".join("    " * n + "if b:\n" for n in range(1, 5))

    assert house.deep_nesting(function(chain)) == []
    assert house.deep_nesting(function(match)) == []
    assert len(house.deep_nesting(function(inner + "    " * 5 + "x()"))) == 1
