"""docs/reference/states.md as the tables of allowed changes say it; `--write` rewrites it."""

import argparse
import sys
from pathlib import Path

from flowrunner.core import transitions

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "states.md"

TEXT = """\
# States

What a run and a step can be, and every change that is allowed. The diagrams are printed from
`flowrunner.core.transitions`; after a change there, run `python -m tests.unit.core.states --write`.

## Runs

```mermaid
{run}
```

| status | meaning |
| --- | --- |
| `queued` | Known, and nothing of it has happened yet. |
| `running` | At work, or about to write its report. |
| `paused` | Held by a person or by a changed definition; it can go on. |
| `completed` | Every step has ended well enough and the report is there. |
| `failed` | A step failed, the report could not be written, or the deadline passed. |
| `cancelled` | Somebody cancelled it, or stopped one of its agents. |

A completed run is *degraded* when a step failed whose failure the flow tolerates. What it found is
its *outcome*, apart from whether it ran. If several ends are possible at once, an explicit cancel
comes before a failure, and a failure before an agent stopped by hand.

## Steps

```mermaid
{step}
```

| status | meaning |
| --- | --- |
| `excluded` | Its gate said no at launch: it never takes part, and holds nobody up. |
| `pending` | Waits for its needs, for its question to be answered, or for a retry timer. |
| `running` | An attempt is offered or at work. |
| `blocked` | Waits for a person, for a time, or for its children. |
| `completed` | Its output is stored. |
| `failed` | It will not be tried again. Unless tolerated, its run fails and its siblings stop. |
| `skipped` | Its `when` said no, or its needs ended such that it must not run. |
| `cancelled` | Stopped, with its run or because a sibling failed. |

A step begins as `pending` or `excluded`. From `running` back to `pending` means another attempt:
after a failure that may heal, or when the worker was lost. From `blocked` back to `pending` goes an
approval whose rejection sends the run back.

An end is final within its *generation*. Retrying an ended run begins the next one, and so does a
rejected approval that sends a live run back: what begins anew is `pending` again, its attempts count
on and the earlier ones stay in the event log. A list of which only some members begin anew is
`blocked` again. Excluded steps stay excluded.
"""


def page() -> str:
    return TEXT.format(
        run=transitions.diagram(transitions.RUN), step=transitions.diagram(transitions.STEP)
    )


def main() -> int:
    """Rewrite the page with --write; without it, fail if the page is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.stderr.write("docs/reference/states.md is out of date: run with --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
