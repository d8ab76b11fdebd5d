"""docs/proof/verdicts.md, made of what was played: who fails, how, and how the run then ends."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from flowrunner.core.model import Failure
from flows.failing import BANDS, FEW, FEW_KINDS, KINDS, agent_steps, end_of, judged, play, seats
from flows.rehearsal import FLOWS, step_of
from flows.scripted import CLEAN, FILES
from unit.evidence.projects import a_project

BAND = "large"
_HEAD = """\
# Silence is no verdict

How a run of each shipped flow ends when one of its agents gives no answer: for each agent step, members of lists and
verifiers included, and each way to give none. Other pages: [proof](../proof.md), [the shipped flows](../flows.md).

- Every cell was played by the engine's own core, in band `large`, where everybody is asked, with good agents on all other
  seats. An attempt that is made again fails in the same way. **No cell holds the clean outcome, and in each one the report
  names the step among its reasons.**
- A run that is `failed` has no outcome: its provider had no quota until the run's deadline. One that is back earlier costs no
  attempt.
- The tests that assert it (`tests/flows/test_every_failure.py`) make this page, and fail when it is not what they play. They
  play five of the kinds in the other bands, too, and a second try that succeeds: then the outcome is the clean one.
- The ends of single processes are in `tests/dispatch/test_outcome.py`; seventeen kinds on a whole installation (service,
  PostgreSQL, worker, agents as processes) in `tests/proof3/test_sick_agents.py`.
"""


def page(projects: Mapping[str, Path]) -> str:
    """Return the page as it must be."""
    return "\n".join(
        [
            _HEAD,
            _sum(projects),
            *_kinds(),
            *(line for name in sorted(FLOWS) for line in _flow(name, projects)),
        ]
    )


def _sum(projects: Mapping[str, Path]) -> str:
    deep = sum(1 for name in FLOWS for _ in seats(name, BAND, projects)) * len(KINDS)
    others = (band for band in BANDS if band != BAND)
    few = sum(1 for band in others for name in FLOWS for _ in seats(name, band, projects))
    return f"These are {deep} cells, and {few * len(FEW_KINDS)} more in the other bands.\n"


def _kinds() -> Iterator[str]:
    yield "## The kinds\n"
    yield "An attempt that is judged `taken` fits the schema; the flow then finds that it says nothing.\n"
    yield "| kind | an agent that | is judged |"
    yield "| --- | --- | --- |"
    for name, kind in KINDS.items():
        words = sorted({_word(flow, step, name) for flow in FLOWS for step in agent_steps(flow)})
        yield f"| {name} | {kind.told} | {', '.join(words)} |"
    yield ""


def _word(flow: str, step: str, kind: str) -> str:
    found = judged(flow, step, kind)
    return f"`{found.code}`" if isinstance(found, Failure) else "taken"


def _flow(name: str, projects: Mapping[str, Path]) -> Iterator[str]:
    yield f"## {name}\n"
    everybody = dict.fromkeys(step_of(key) for key, _ in seats(name, BAND, projects))
    silent = play(name, BAND, projects["signs"], dict.fromkeys(everybody, KINDS["exit-1"].answer))
    yield f"All are well: `{CLEAN[name]}`. All fail: `{silent.outcome}`.\n"
    yield "| step | agents | ends as |"
    yield "| --- | --- | --- |"
    for step in everybody:
        yield from _rows(name, step, projects)
    yield ""


def _rows(name: str, step: str, projects: Mapping[str, Path]) -> Iterator[str]:
    mine = [seat for seat in seats(name, BAND, projects) if step_of(seat[0]) == step]
    ends: dict[str, list[str]] = {}
    for kind in KINDS:
        outcomes = sorted({end_of(name, BAND, seat, kind).outcome for seat in mine})
        ends.setdefault(", ".join(f"`{outcome}`" for outcome in outcomes), []).append(kind)
    usual, *others = sorted(ends, key=lambda outcome: -len(ends[outcome]))
    count = f"all {len(KINDS)}" if not others else f"{len(ends[usual])} of {len(KINDS)}"
    told = [f"{usual} after {count} kinds"]
    told += [f"{outcome} after {', '.join(ends[outcome])}" for outcome in others]
    yield f"| {step} | {len(mine)} | {'; '.join(told)} |"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trees = {"signs": FILES, "few": FEW}
        projects = {name: a_project(Path(folder) / name, files) for name, files in trees.items()}
        sys.stdout.write(page(projects))


if __name__ == "__main__":
    main()
