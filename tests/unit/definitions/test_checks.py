"""What is said about a flow that cannot be: exact words, exact places, all at once."""

from pathlib import Path

import pytest

from unit.definitions.shelf import a_flow, decorated, problems_of

HERE = Path(__file__).parent


def table(name: str) -> list[tuple[str, list[str]]]:
    """Read cases that `---` separates: what is written, and after `=>` each complaint."""
    cases = (HERE / name).read_text(encoding="utf-8").split("\n---\n")
    pairs = (case.strip("\n").split("\n=> ") for case in cases)
    return [(written, list(said)) for written, *said in pairs]


def bare(problems: list[str]) -> list[str]:
    """Shorten the file's name, the same for all, and the indent of hints."""
    return [p.removeprefix("flows/x.py:").strip().replace("\n    ", "\n   ") for p in problems]


@pytest.mark.parametrize(("steps", "expected"), table("step_errors.txt"))
def test_a_wrong_step_is_told_where_it_is_written(
    tmp_path: Path, steps: str, expected: list[str]
) -> None:
    """D2-26, V-03, V-08: at load, with file and line, what is wrong and what to do."""
    assert bare(problems_of(tmp_path, a_flow(steps=steps))) == expected


@pytest.mark.parametrize(("text", "expected"), table("flow_errors.txt"))
def test_a_wrong_flow_is_told_where_it_is_written(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """D2-26: a file that gives no flow, or half a flow, is a problem with a place."""
    assert bare(problems_of(tmp_path, text)) == expected


@pytest.mark.parametrize(("steps", "expected"), table("authoring_errors.txt"))
def test_a_wrong_function_is_told_at_its_decorator(
    tmp_path: Path, steps: str, expected: list[str]
) -> None:
    """D2-26, F4: what a parameter names and is annotated with is checked when the file loads."""
    assert bare(problems_of(tmp_path, decorated(steps))) == expected


def test_there_is_a_table_of_wrong_flows() -> None:
    """D2-26, F4: at least thirty wrong Python flows, no two the same, and each with its words."""
    names = ("step_errors.txt", "flow_errors.txt", "authoring_errors.txt")
    cases = [case for name in names for case in table(name)]

    assert len({written for written, _ in cases}) == len(cases)
    assert len(cases) > 30
    assert all(said for _, said in cases)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """D2-26: a broken flow is told everything that is wrong with it, over all its steps."""
    steps = """
        Step('a', run=lambda ctx: 'hi', timeout='soon', retry=-1),
        Step('b', kind='cod', run=lambda ctx: 'hi', needs=['aa']),
        Step('a', run='{{ steps.c.output }}'),
        Step('B!', run=lambda ctx: 'hi', bands=['tiny']),
    """

    found = problems_of(tmp_path, a_flow("demo", steps, "deadline='never'"))

    codes = [problem.split(": ")[1] for problem in found]
    assert codes == [
        "bad-timeout", "bad-retry", "bad-timeout", "bad-kind", "unknown-band",
        "bad-step-id", "duplicate-step", "unknown-dependency", "unknown-reference",
    ]  # fmt: skip


def test_a_band_among_the_inputs_is_refused(tmp_path: Path) -> None:
    """D2-30: the band is given once; an input model cannot have a second one."""
    model = "from pydantic import BaseModel\nclass Asked(BaseModel):\n    band: str\n"

    found = problems_of(tmp_path, model + a_flow(rest="input=Asked"))

    message = "flow 'demo': the input has a field 'band', which is given beside the input"
    assert found == [f"flows/x.py:5: reserved-input: {message}\n    hint: read ctx.band instead"]


def test_an_async_guard_is_refused(tmp_path: Path) -> None:
    """A coroutine is always true: a guard that returns one would never exclude anything."""
    guard = "async def never(ctx):\n    return False\n"
    steps = "Step('a', run=lambda ctx: 'hi', gate=never, when=never),"

    found = problems_of(tmp_path, guard + a_flow(steps=steps))

    assert found == [
        "flows/x.py:5: bad-function: step 'a': gate must not be async",
        "flows/x.py:5: bad-function: step 'a': when must not be async",
    ]


def test_a_sound_flow_has_no_problems(tmp_path: Path) -> None:
    """The table above fails for its reasons only: what it varies is accepted when right."""
    steps = """
        Step('find-bugs', kind='code', run=lambda ctx: 1, timeout='1h30m', retry=20,
            bands=['small', 'large']),
        Step('b', needs=('find-bugs',), run='See $find-bugs.output', persona='newcomer',
            queue='gpu', idle_timeout='90s', label='B',
            gate=lambda launch: True, when=lambda ctx: True),
        Step('c', run=print, on_fail='tolerate'),
    """

    assert problems_of(tmp_path, a_flow(steps=steps, rest="deadline='2d'")) == []


def test_everything_that_a_step_can_be_is_accepted(tmp_path: Path) -> None:
    """Every option of every kind, written right, has no problem: the table is not too strict."""
    steps = """
        Step('list', 'code', run=print, output=list[dict[str, int]], phase='find'),
        Step('look', 'agent', 'newcomer', ['list'], lambda ctx: True, 'Look: $list.output',
            each=Each('list', key=str, max_items=10_000, overflow='first', quorum=0.5, parallel=8),
            retry=Retry(3, base='1s', cap='1m', classes=['quota']), queue_timeout='10m'),
        Step('own', run=print, each=Each(lambda ctx: [1], quorum=1, max_items=1), on_fail='skip'),
        Step('polish', run=print, needs=['look'], trigger='none_failed', on_fail='cascade',
            repeat=Repeat(lambda ctx: True, at_most=1000, on_exhausted='complete')),
        Step('ask', kind='approval', run='Go? $polish.output', needs=['polish'], trigger='any',
            on_skip='cascade', approval=Approval(approvers=['ann'], expires='2h', remind='1h',
            on_expiry='approve', on_reject='redo', redo_from='look', max_redos=1)),
        Step('sleep', kind='wait', run=90, needs=['ask'], trigger='all_done'),
        Step('until', kind='wait', run=lambda ctx: '5m', when=lambda ctx: False),
    """

    assert problems_of(tmp_path, a_flow(steps=steps, rest="siblings='drain'")) == []


def test_a_form_that_expiry_would_approve_needs_defaults(tmp_path: Path) -> None:
    """P11: values that nobody gave and that have no default cannot be approved by the clock."""
    form = "from pydantic import BaseModel\nclass Form(BaseModel):\n    to: str\n    cc: str = ''\n"
    asked = "Approval(form=Form, expires='1h', on_expiry='approve')"
    steps = f"Step('a', kind='approval', run='Send?', approval={asked}),"

    found = problems_of(tmp_path, form + a_flow(steps=steps))

    message = "approval.form has no default for 'to', which expiry would approve"
    hint = "give it a default, or let the expiry fail"
    assert found == [f"flows/x.py:7: bad-approval: step 'a': {message}\n    hint: {hint}"]
