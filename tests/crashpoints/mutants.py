"""Break the product on purpose, one rule at a time, and see which points notice.

Each mutant is a copy of the sources with one passage replaced, in a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("src", "tests", "alembic", "alembic.ini", "flows", "personas")
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Edit:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """What *edits* make of the product; *shape* is played at every single point."""

    name: str
    shape: str
    edits: tuple[Edit, ...]


_ENGINE = "src/flowrunner/engine"
_APPLY = "src/flowrunner/db/apply.py"
_SQL = "alembic/sql/functions/apply.sql"
_ORDERS = "interleavings"
"""No shape: a crash leaves nobody behind who acts late. Sessions stepped in every order do."""
_NO_REPAIR = Edit(f"{_ENGINE}/reaper.py", "        await self._repair()\n", "")
_BODIES = """    bodies: dict[Ref, bytes] = {}
    for change in changes:
"""
_SPLIT = """    batch = _batch(changes, notify)
    tasks, batch["tasks"] = batch["tasks"], []
"""
_BATCH = '"p": json.dumps(parts, separators=(",", ":")),'
_ANSWER = """    return {
        run: Applied(verdict, _stale(stale), given.taken(run, roots[run], taken))
        for run, verdict, stale, taken in await cur.fetchall()
    }
"""
_OFFER = """    told = await cur.fetchall()
    runs = [run for run, verdict, _stale_ones, _taken in told if verdict == "ok"]
    offer = "SELECT offer_tasks_v2(%s::jsonb, %s::uuid[])"
    await conn.execute(offer, (json.dumps(tasks), runs))
    return {run: Applied(verdict, _stale(stale)) for run, verdict, stale, _ in told}
"""

MUTANTS = (
    Mutant(
        "a launch forgets its idempotency key",
        "sequence",
        (
            Edit(
                "src/flowrunner/service/runs.py",
                "        key = request.idempotency_key\n        new = NewRun(",
                "        key = None\n        new = NewRun(",
            ),
        ),
    ),
    Mutant(
        "a commit without an answer is taken for done",
        "sequence",
        (
            Edit(
                f"{_ENGINE}/actor.py",
                'return Applied("ok") if theirs == mine else Applied("conflict")',
                'return Applied("ok")',
            ),
        ),
    ),
    Mutant(
        "a result is acknowledged before it is committed",
        "sequence",
        (
            Edit(
                f"{_ENGINE}/residents.py",
                "return await self.deliver(run_id, "
                "_Report(self._evaluator, step, attempt, report))",
                "self._actor(run_id).post(Letter("
                "_Report(self._evaluator, step, attempt, report)))\n"
                "        return Verdict.ACCEPTED",
            ),
        ),
    ),
    Mutant(
        "nobody looks for dead leases",
        "sequence",
        (Edit(f"{_ENGINE}/reaper.py", "        await self._reap()\n", ""),),
    ),
    Mutant("nobody looks for runs that stand still", "slow", (_NO_REPAIR,)),
    Mutant(
        "a claim without an answer is forgotten",
        "sequence",
        (
            Edit(
                "src/flowrunner/leases/keeper.py",
                "        except BaseException:\n            self._doubt()\n",
                "        except BaseException:\n",
            ),
        ),
    ),
    Mutant(
        "a result is delivered once, and not again",
        "inbox",
        (
            Edit(
                "src/flowrunner/dispatch/delivery.py",
                "        except (UnavailableError, TimeoutError) as exc:\n",
                "        except (UnavailableError, TimeoutError) as exc:\n"
                '            return "settled"\n',
            ),
        ),
    ),
    Mutant(
        "the inbox is emptied before it is read",
        "inbox",
        (
            Edit(
                f"{_ENGINE}/inbox.py",
                "        verdicts = await asyncio.gather",
                "        async with self._pool.connection() as conn:\n"
                "            await delete_results(conn, [row.id for row in rows])\n"
                "        verdicts = await asyncio.gather",
            ),
        ),
    ),
    Mutant(
        "events are numbered with a gap",
        "sequence",
        (
            Edit(
                "src/flowrunner/db/changes.py",
                "start=version + 1)",
                "start=version + 1 + (version > 0))",
            ),
        ),
    ),
    Mutant(
        "a wait for a connection swallows the word to stop",
        "deadline",
        (
            Edit(
                "src/flowrunner/db/pool.py",
                "            with heeding():\n",
                "            if True:\n",
            ),
        ),
    ),
    Mutant(
        "a decision and its tasks are two transactions, and nobody looks for runs that stand still",
        "sequence",
        (
            Edit(_APPLY, _BODIES, _SPLIT + _BODIES),
            Edit(_APPLY, _BATCH, '"p": json.dumps(batch, separators=(",", ":")),'),
            Edit(_APPLY, _ANSWER, _OFFER),
            _NO_REPAIR,
        ),
    ),
    Mutant(
        "a lease is not compared by its epoch",
        _ORDERS,
        (
            Edit(_SQL, "           AND (q.epoch = g.e OR (g.e = 0 AND q.epoch IS NULL))\n", ""),
            Edit(_SQL, "\n                              AND coalesce(held.epoch, 0) = g.e)", ")"),
        ),
    ),
    Mutant(
        "a run's version is not compared",
        _ORDERS,
        (
            Edit(
                _SQL,
                "            ON t.id = d.run AND t.version = d.v\n",
                "            ON t.id = d.run\n",
            ),
        ),
    ),
    Mutant(
        "a task that somebody just takes is waited for, and taken again",
        _ORDERS,
        (
            Edit(
                "alembic/sql/functions/dispatch.sql",
                "LIMIT p_count FOR UPDATE SKIP LOCKED) AS y",
                "LIMIT p_count) AS y",
            ),
        ),
    ),
)


def main() -> int:
    """Return how many mutants nobody noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    given = parser.parse_args()
    survivors = 0
    for mutant in MUTANTS:
        if given.only in mutant.name:
            caught = _try(mutant)
            survivors += not caught
            sys.stdout.write(f"{'caught' if caught else 'SURVIVED'}: {mutant.name}\n")
            sys.stdout.writelines(f"    {line}\n" for line in caught)
            sys.stdout.flush()
    return survivors


def _try(mutant: Mutant) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="flowrunner-mutant-") as folder:
        root = Path(folder)
        for part in _PARTS:
            source = _ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, root / part)
        for edit in mutant.edits:
            _replace(root / edit.file, edit.old, edit.new)
        return _violations(mutant, root)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"{file.name} has changed: it holds {text.count(old)} times {old!r}")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _violations(mutant: Mutant, root: Path) -> list[str]:
    """What the campaign said of the mutant, a line per point."""
    argv = ["crashpoints", "--points", "1", "--shape", mutant.shape, "--most-bad", str(_ENOUGH)]
    if mutant.shape == _ORDERS:
        argv = [_ORDERS, "--sessions", "2", "--cases", "0"]
    path = os.pathsep.join(str(root / each) for each in ("src", "tests"))
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    without = re.findall(r"AssertionError: (.* without any crash.*)", done.stdout + done.stderr)
    points = re.findall(r"--play (\S+)\"\n    (.*)\n    (.*)", done.stdout)
    if not (without or "violations: " in done.stdout):
        raise SystemExit(done.stderr[-3000:])
    orders = re.findall(r"^(\w+\+\w+@.*)", done.stdout, re.MULTILINE)[:_ENOUGH]
    told = [*without, *orders, *(f"{at} {law}" for _, at, law in points)]
    return [each[:200] for each in told]


if __name__ == "__main__":
    sys.exit(main())
