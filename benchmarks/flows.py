"""Measure what it costs to find and check many flows: CPU seconds, not wall clock.

`python benchmarks/flows.py [--flows N]` prints one line per form of writing a flow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src")]

LIMIT_SECONDS = 2.0

PLAIN = """
from flowrunner import Flow, Report, Step
def report(ctx): return Report("done")
def nothing(ctx): raise AssertionError("no body runs")
flow = Flow("NAME", [
    Step("scan", "code", run=nothing),
    Step("look", run="Look at {{ steps.scan.output }}", needs=["scan"]),
    Step("judge", run=nothing, needs=["look"], when=nothing),
], report)
"""
FUNCTIONS = """
from flowrunner import Flow
from pydantic import BaseModel

class Asked(BaseModel):
    repo: str = "."

class Finding(BaseModel):
    title: str
    severity: str

flow = Flow("NAME", input=Asked)

@flow.code
def files(input: Asked) -> list[str]:
    raise AssertionError("no body runs")

@flow.agent(each=files, output=list[Finding])
def look(path: str, input: Asked) -> str:
    raise AssertionError("no body runs")

@flow.approval(when=lambda look: bool(look))
def publish(look: list[list[Finding]]) -> str:
    raise AssertionError("no body runs")

@flow.report
def report(look: list[list[Finding]], publish: bool | None) -> str:
    raise AssertionError("no body runs")
"""


def main() -> int:
    """Return 1 if a form takes longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=500)
    count: int = parser.parse_args().flows
    began = time.process_time()
    from flowrunner.definitions.library import Library  # noqa: PLC0415  # its cost is measured

    print(f"imports: {time.process_time() - began:.2f} s")
    slowest = 0.0
    for form, text in (("plain", PLAIN), ("functions", FUNCTIONS)):
        with tempfile.TemporaryDirectory() as folder:
            level = Path(folder) / "flows"
            level.mkdir()
            for n in range(count):
                (level / f"f{n}.py").write_text(text.replace("NAME", f"f{n}"), encoding="utf-8")
            began = time.process_time()
            library = Library.discover([level])
            spent = time.process_time() - began
        assert len(library.names()) == count, library.problems[:3]
        print(f"{count} flows of {form}: {spent:.2f} s, {spent / count * 1000:.2f} ms each")
        slowest = max(slowest, spent)
    return int(slowest > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
