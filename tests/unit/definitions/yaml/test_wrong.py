"""What is said about a YAML flow that cannot be: exact words, exact places, all at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.definitions.yaml.loading import load_yaml
from flowrunner.definitions.yaml.nodes import MAX_BYTES, MAX_DEPTH, MAX_NODES
from unit.definitions.yaml.shop import HUNT

HERE = Path(__file__).parent


def cases() -> list[tuple[str, list[str]]]:
    """Read the table: a flow, then `=> ` and each complaint."""
    table = (HERE / "wrong.txt").read_text(encoding="utf-8").split("=====\n")
    pairs = (case.removesuffix("\n").split("\n=> ") for case in table)
    return [(f"{written}\n", list(said)) for written, *said in pairs]


def told(text: str) -> list[str]:
    """Load a flow and return its problems as users see them, without the file's name."""
    problems = load_yaml(text, "x.flow.yaml", ["newcomer"]).problems
    shown = (str(problem).removeprefix("x.flow.yaml:") for problem in problems)
    return [each.replace("\n    ", "\n   ") for each in shown]


@pytest.mark.parametrize(
    ("text", "expected"), cases(), ids=[f"case-{n}" for n in range(1, len(cases()) + 1)]
)
def test_a_wrong_flow_is_told_line_and_column(text: str, expected: list[str]) -> None:
    """D2-26, F4, V-03, V-08: at load, every problem at once, with its place and what to do."""
    assert expected
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flow: " + "x" * MAX_BYTES, f" too-large: a YAML flow has at most {MAX_BYTES} bytes, not {MAX_BYTES + 6}"),
        ("[" * (MAX_DEPTH + 1), f"1:{MAX_DEPTH + 1}: too-deep: a YAML flow nests at most {MAX_DEPTH} deep"),
        ("[" + "a," * MAX_NODES + "]", f"1:{2 * MAX_NODES}: too-large: a YAML flow has at most {MAX_NODES} values"),
        ("a: &a [x]\nb: [*a, *a]", "1:4: yaml-anchor: a flow has no YAML anchors, aliases and merge keys\n   hint: name what is used twice in types"),
        ("{[a]: b}", "1:2: bad-key: a key is a word, not a list or a map"),
    ],
    ids=["bytes", "depth", "values", "anchors", "key"],
)  # fmt: skip
def test_a_file_cannot_be_a_bomb(text: str, message: str) -> None:
    """F4: size, depth and count are bounded, and nothing stands for something else."""
    assert told(text) == [message]


def test_a_file_of_another_name_is_told_how_to_be_named(tmp_path: Path) -> None:
    """P11: `x.flow.yml` would be a flow that nobody finds."""
    file = str(tmp_path / "x.flow.yml")

    (problem,) = load_yaml(HUNT, file, []).problems

    assert str(problem) == (
        f"{file}: bad-file-name: a flow in YAML is a file whose name ends with .flow.yaml\n"
        "    hint: rename it"
    )


@given(st.text(alphabet="flowsteps: \n-{}[]'\"|>&*!#%@ ${}idagent019.\t\0é", max_size=120))
def test_reading_is_total(text: str) -> None:
    """D2-05, D2-26: any text gives problems, never an exception, and no flow without a problem."""
    loaded = load_yaml(text, "x.flow.yaml", [])

    assert loaded.problems
    assert all(problem.message and problem.code for problem in loaded.problems)


@given(st.data())
def test_a_flow_with_a_hole_is_read_or_told(data: st.DataObject) -> None:
    """D2-26: whatever part of a right flow is cut out or doubled, reading ends with an answer."""
    start = data.draw(st.integers(0, len(HUNT)))
    end = data.draw(st.integers(start, min(len(HUNT), start + 40)))
    again = data.draw(st.booleans())

    loaded = load_yaml(HUNT[:end] + HUNT[start if again else end :], "x.flow.yaml", [])

    assert loaded.flow is not None or loaded.problems
