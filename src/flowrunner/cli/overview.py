"""A run as a server knows it now: the same board that events make, and a table of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from flowrunner.cli.board import Board
from flowrunner.cli.changes import NAMELESS
from flowrunner.cli.notes import note_of, time_of
from flowrunner.cli.paint import Canvas
from flowrunner.cli.rows import Row, counted
from flowrunner.cli.selection import Entry, select
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import cells, clean, fit, money, pad, tokens_of
from flowrunner.wire.approvals import Approval
from flowrunner.wire.runs import Run, StepRow

_COLUMNS = Columns(
    {
        "step": "STEP",
        "status": "STATUS",
        "try": "TRY",
        "time": "TIME",
        "tokens": "TOKENS",
        "cost": "COST",
        "result": "RESULT",
    },
    numbers=frozenset({"try", "time", "tokens", "cost"}),
    optional=frozenset({"tokens", "cost"}),
    expendable=("tokens", "cost", "try", "time"),
    # What a step waits for, and why it is tried again, is what one looks for.
    readable=28,
)
_NARROW = 60
_STEP_CELLS = 32
_EVERYTHING = 1_000_000


def board_of(run: Run, steps: Sequence[StepRow], asked: Iterable[Approval] = ()) -> Board:
    """Put together what the board would know if it had heard every event."""
    board = Board(str(run.id), title=clean(run.title), flow=clean(run.flow), band=run.band)
    board.status, board.outcome, board.degraded = run.status, run.outcome or "", run.degraded
    board.generation, board.began, board.latest = run.generation, run.created_at, run.finished_at
    board.numbers = {step.key: step.step_no for step in steps}
    since = {each.step: each for each in asked}
    for step in steps:
        row = _row(step, since.get(step.key))
        board.rows[row.number] = row
        parent = board.rows.get(board.numbers.get(step.parent or "", -1))
        if parent is None:
            board.tops.append(row)
        else:
            row.parent, row.name = parent.number, _name(row.key, parent.key)
            parent.children.append(row.number)
    return board


def listing(
    board: Board, now: datetime, canvas: Canvas, results: Mapping[int, str], *, whole: bool
) -> Iterator[str]:
    """A line per step below a heading; of long lists what tells something, unless *whole*."""
    entries = _all(board) if whole else select(board, _EVERYTHING)
    shown = [entry for entry in entries if entry.row is not None or entry.rows]
    rows = [_cells_of(board, entry, now, canvas, results) for entry in shown]
    lines = _COLUMNS.lines(rows, canvas.width)
    yield canvas.bold(lines[0])
    for entry, line in zip(shown, lines[1:], strict=True):
        status = entry.row.status if entry.row and canvas.symbols else ""
        sign = canvas.sign(status) if status else ""
        yield line.replace(sign, canvas.tint(sign, status), 1) if sign else line


def _all(board: Board) -> list[Entry]:
    def below(row: Row, depth: int) -> Iterator[Entry]:
        yield Entry(row, depth)
        for child in board.below(row):
            yield from below(child, depth + 1)

    return [entry for row in board.tops for entry in below(row, 0)]


def _row(step: StepRow, asked: Approval | None) -> Row:
    """A step as the board has it."""
    row = Row(step.step_no, clean(step.key), clean(step.key), step.kind, clean(step.phase or ""))
    row.needs, row.status, row.attempt = step.needs, _status(step), step.attempt
    row.since, row.ended = step.started_at or step.dispatched_at, step.finished_at
    row.due = step.due_at
    if step.quota is not None:
        row.quota = clean(step.quota.provider or NAMELESS)
    row.tokens = step.usage.input_tokens + step.usage.output_tokens
    row.cost = step.usage.cost_microusd
    row.note = clean(f"{step.error.code}: {step.error.message}" if step.error else "")
    row.note = row.note or clean(step.reason or "")
    if step.children is not None:
        row.total = row.needed = step.children.total
    if row.status == "running" and step.worker:
        row.doing = f"on {clean(step.worker)}"
    if asked is not None:
        row.since, row.due = asked.requested_at, asked.expires_at
    return row


def _status(step: StepRow) -> str:
    match step.status, step.kind:
        case "pending", _ if step.delayed:
            return "retrying"
        case "blocked", "approval":
            return "waiting"
        case "blocked", "wait":
            return "sleeping"
        case "blocked", _:
            return "running"
        case "running", _ if step.started_at is None and step.worker is None:
            return "offered"
        case status, _:
            return status


def _name(key: str, parent: str) -> str:
    """`review[a.py]` below `review` is `a.py`, `verify/check-7` below `verify` is `check-7`."""
    rest = key.removeprefix(parent)
    return rest[1:-1] if rest.startswith("[") and rest.endswith("]") else rest.removeprefix("/")


def _cells_of(
    board: Board, entry: Entry, now: datetime, canvas: Canvas, results: Mapping[int, str]
) -> dict[str, str]:
    indent = "  " * entry.depth
    if entry.row is None:
        what = entry.phase or f"{indent}{canvas.dots} {len(entry.rows)} more"
        return {"step": what, "result": "" if entry.phase else counted(entry.rows)}
    row = entry.row
    family = board.below(row)
    tokens, cost = _spent(board, row)
    many = f" x{len(family)}" if family else ""
    sign = f"{canvas.sign(row.status)} " if canvas.symbols else ""
    status = sign if sign and canvas.width < _NARROW else sign + row.status
    most = min(_STEP_CELLS, max(canvas.width * 2 // 5 - len(indent), 8))
    note = note_of(board, row, now, canvas)
    return {
        "step": f"{indent}{fit(row.name, most, canvas.dots)}{many}",
        "status": status,
        "try": str(row.attempt) if row.attempt else "",
        "time": time_of(row, now),
        "tokens": tokens_of(tokens).removesuffix(" tok") if tokens else "",
        "cost": money(cost) if cost else "",
        "result": results.get(row.number) or note,
    }


def _spent(board: Board, row: Row) -> tuple[int, int]:
    below = [_spent(board, child) for child in board.below(row)]
    return (
        row.tokens + sum(tokens for tokens, _cost in below),
        row.cost + sum(cost for _tokens, cost in below),
    )


def label(name: str, text: str, width: int) -> str:
    """One line of a heading: a word, and what is to say about it."""
    return fit(f"{pad(name, max(cells(name), 8))} {clean(text)}", width)
