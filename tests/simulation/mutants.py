"""Break the engine in one place at a time and see which schedule notices: `make soakmutants`.

A guard that nothing misses when it is gone is decoration. Those of `model/` break the model where
it stands for SQL: what the statement must do, the schedules must be able to tell.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE, CORE, MODEL = "src/flowrunner/engine", "src/flowrunner/core", "tests/simulation"
_FOUND = re.compile(r"^seed (\d+) FAILED: (.*)$", re.MULTILINE)
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Mutant:
    """*old* becomes *new*, once, in *file*."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "no lease guard on results",
        f"{CORE}/settling.py",
        "        return Verdict.LATE\n    deciding.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))\n    match",
        "        return Verdict.LATE\n    match",
    ),
    Mutant(
        "a repeated result is no duplicate",
        f"{CORE}/settling.py",
        "    if step.epoch == given.epoch != 0:\n        return Verdict.DUPLICATE\n    if step.status",
        "    if step.status",
    ),
    Mutant(
        "no timer for a retry",
        f"{CORE}/deciding.py",
        "        if delay > 0:\n            self.set_timer(TimerKind.RETRY, number, attempt, delay)\n",
        "",
    ),
    Mutant(
        "a fired timer stays",
        f"{CORE}/settling.py",
        "    deciding.guards.append(guard)\n    return Verdict.ACCEPTED",
        "    return Verdict.ACCEPTED",
    ),
    Mutant(
        "cancel after the end",
        f"{CORE}/scheduling.py",
        "        case inp.RenderRequested():\n            return controlling.render(deciding, given)\n",
        "        case inp.CancelRequested(reason=reason, actor=actor):\n"
        "            return controlling.cancel(deciding, reason, actor)\n"
        "        case inp.RenderRequested():\n            return controlling.render(deciding, given)\n",
    ),
    Mutant(
        "hints only, no polling",
        f"{ENGINE}/rounds.py",
        "async with asyncio.timeout(self.pause(found)):",
        "async with asyncio.timeout(self.pause(found) * 1e6):",
    ),
    Mutant(
        "waiters for calls do not poll",
        f"{ENGINE}/waiting.py",
        "async with asyncio.timeout(self._poll_seconds):",
        "async with asyncio.timeout(1e6):",
    ),
    Mutant(
        "no read-back: an unknown commit counts as done",
        f"{ENGINE}/actor.py",
        "            mine = [encode(event) for event in change.decision.events]\n",
        '            return Applied("ok")\n'
        "            mine = [encode(event) for event in change.decision.events]\n",
    ),
    Mutant(
        "a conflict counts as done",
        f"{ENGINE}/actor.py",
        '            case "ok":\n',
        '            case "ok" | "conflict":\n',
    ),
    Mutant(
        "answers about refused results stay",
        f"{ENGINE}/actor.py",
        '        if applied.verdict != "ok":\n            self._forget(plan.begun)\n',
        "",
    ),
    Mutant(
        "what could not be answered is not asked again",
        f"{ENGINE}/actor.py",
        "            self._asked.pop(asked, None)\n            return\n",
        "            return\n",
    ),
    Mutant(
        "stalls are not repaired",
        f"{ENGINE}/reaper.py",
        "        await self._repair()\n",
        "",
    ),
    Mutant(
        "dead leases are not reaped",
        f"{ENGINE}/reaper.py",
        "        await self._reap()\n",
        "",
    ),
    Mutant(
        "the inbox forgets before it delivers",
        f"{ENGINE}/inbox.py",
        "        verdicts = await asyncio.gather(*(self._deliver(row) for row in rows))\n",
        "        async with self._pool.connection() as conn:\n"
        "            await delete_results(conn, [row.id for row in rows])\n"
        "        verdicts = await asyncio.gather(*(self._deliver(row) for row in rows))\n",
    ),
    Mutant(
        "no self-fence",
        "src/flowrunner/leases/rules.py",
        "    if is_open(hold, now, times) or not hold.held:\n        return hold, NONE\n",
        "    return hold, NONE\n",
    ),
    Mutant(
        "a claim without an answer is forgotten",
        "src/flowrunner/leases/rules.py",
        "    return replace(hold, doubt_until=now + times.lease_seconds)\n",
        "    return hold\n",
    ),
    Mutant(
        "launch without its key",
        "src/flowrunner/db/launch.py",
        '"key": new.idempotency_key,',
        '"key": None,',
    ),
    Mutant(
        "model: apply at any version",
        f"{MODEL}/applying.py",
        'line is None or line.version != row["v"] or',
        "line is None or",
    ),
    Mutant(
        "model: reap what was reported",
        f"{MODEL}/leasing.py",
        "        and not tables.is_reported(place)\n    ]\n",
        "    ]\n",
    ),
    Mutant(
        "model: hand back what was reported",
        f"{MODEL}/leasing.py",
        " and place.epoch is not None and not tables.is_reported(place)",
        " and place.epoch is not None",
    ),
)


def copied(mutant: Mutant, to: Path) -> None:
    """Copy what schedules need, with the mutant in it. Raises ValueError when it does not fit."""
    shutil.copytree(ROOT / "src", to / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / MODEL, to / MODEL, ignore=shutil.ignore_patterns("__pycache__"))
    for helper in (ROOT / "tests").glob("*.py"):
        shutil.copy(helper, to / "tests")
    file = to / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: found {text.count(mutant.old)} times in {mutant.file}")
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def hunted(mutant: Mutant, count: int) -> Iterator[tuple[int, str]]:
    """The first seeds that notice, each with what it says, among the first *count*."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder)
        copied(mutant, to)
        env = {"PYTHONPATH": f"{to / 'src'}:{to / 'tests'}"}
        program = [sys.executable, "-m", "simulation.soak", "--processes", "1"]
        more = ["--count", str(count), "--most", "3"]
        ran = subprocess.run(
            [*program, *more],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    for seed, complaint in _FOUND.findall(ran.stdout):
        yield int(seed), complaint
    if " schedules with " not in ran.stdout:
        raise RuntimeError(ran.stderr)


def main() -> int:
    """Hunt them all; return how many were not caught."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_600
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    missed = 0
    for mutant in (m for m in MUTANTS if only in m.name):
        found = list(hunted(mutant, count))
        missed += not found
        seeds = ", ".join(str(seed) for seed, _ in found) or "nobody"
        said = found[0][1] if found else ""
        sys.stdout.write(f"| {mutant.name} | {seeds} | {said[:100]} |\n")
        sys.stdout.flush()
    sys.stdout.write(f"{missed} missed\n")
    return missed


if __name__ == "__main__":
    sys.exit(main())
