"""The flows that are measured. Their steps do nothing: what is left is the cost of moving a run."""

from __future__ import annotations

from pathlib import Path

from flowrunner.definitions.library import Library

_HEAD = """
import os, time
from flowrunner import Each, Flow, Report, Step
def nothing(ctx): return None
def report(ctx): return Report("done")
def code(name, *needs, run=nothing): return Step(name, kind="code", run=run, needs=needs)
"""
_FAN = """
flow = Flow("fan-{width}", steps=[code("a"), *(code(f"s{{i}}", "a") for i in range({width} - 2)),
    code("z", *(f"s{{i}}" for i in range({width} - 2)))], render=report)
"""
_CHAIN = """
flow = Flow("chain", steps=[code(f"s{i}", *([f"s{i-1}"] if i else [])) for i in range(100)],
    render=report)
"""
_DIAMOND = """
flow = Flow("diamond", steps=[code("a"), code("b", "a"), code("c", "a"), code("d", "a"),
    code("e", "b", "c", "d")], render=report)
"""
# Says when it began, on the clock that all processes of a machine share.
_CLOCK = """
def begun(ctx): return time.monotonic()
flow = Flow("clock", steps=[code("a", run=begun)], render=report)
"""
# Waits for a dispatcher that the benchmark plays, or for nobody at all.
_AGENT = """
flow = Flow("agent", steps=[Step("a", "agent", run="look")], render=report)
"""
# Leaves a line behind for every execution, so that a second one of the same step shows.
_TRACE = """
def traced(name, *needs):
    def run(ctx):
        time.sleep(0.01)
        line = f"{ctx.run_id} {name}\\n".encode()
        out = os.open(os.environ["BENCH_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(out, line)
        os.close(out)
    return code(name, *needs, run=run)
flow = Flow("traced", steps=[traced("a"), traced("b", "a"), traced("c", "b")], render=report)
"""
# The most steps a run can have without calls: as many lists as it takes.
_EACH = """
flow = Flow("each", steps=[Step(f"s{{i}}", "code", run=nothing,
    each=Each(lambda ctx: list(range({members})), key=str, max_items=10000)) for i in range(10)],
    render=report)
"""
WIDTHS = (100, 1_000, 10_000)
MEMBERS = (10_000, 200)
"""Of each of the large run's ten lists; the second: where it must be quick."""


def library(folder: Path, members: int) -> Library:
    """Write the flows into *folder* and load them; lists of the large run have *members*."""
    folder.mkdir(exist_ok=True)
    texts = {f"fan{width}": _FAN.format(width=width) for width in WIDTHS}
    texts |= {"chain": _CHAIN, "diamond": _DIAMOND, "clock": _CLOCK, "agent": _AGENT}
    texts |= {"traced": _TRACE, "each": _EACH.format(members=members)}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(_HEAD + text, encoding="utf-8")
    found = Library.discover([folder])
    assert not found.problems, found.problems[:3]
    return found
