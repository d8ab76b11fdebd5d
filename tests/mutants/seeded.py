"""The twelve mistakes that systems like this one are known for, each made once."""

from __future__ import annotations

from crashpoints import mutants as crashes
from mutants.copies import Edit, Mutant

_CORE, _ENGINE, _DB = "src/flowrunner/core", "src/flowrunner/engine", "src/flowrunner/db"
_SQL = "alembic/sql/functions"
_UNIT, _REAL = "tests/unit", "tests/integration"
_SPLIT = "a decision and its tasks are two transactions, and nobody looks for runs that stand still"


def _as_crashes_have_it(name: str) -> tuple[Edit, ...]:
    (mutant,) = (each for each in crashes.MUTANTS if each.name == name)
    return tuple(Edit(edit.file, edit.old, edit.new) for edit in mutant.edits)


SEEDED = (
    Mutant(
        "no fence",
        f"{_REAL}/db/test_whole.py::test_one_batch_has_a_verdict_for_each_run",
        (
            Edit(
                f"{_SQL}/apply.sql",
                "AND (q.epoch = g.e OR (g.e = 0 AND q.epoch IS NULL))",
                "",
            ),
            Edit(
                f"{_SQL}/apply.sql",
                " AND coalesce(held.epoch, 0) = g.e)",
                ")",
            ),
        ),
    ),
    Mutant(
        "no SKIP LOCKED",
        f"{_REAL}/db/test_queue.py::test_a_claim_does_not_wait_for_what_somebody_else_holds",
        (
            Edit(
                f"{_SQL}/dispatch.sql",
                "LIMIT p_count FOR UPDATE SKIP LOCKED) AS y",
                "LIMIT p_count FOR UPDATE) AS y",
            ),
        ),
    ),
    Mutant(
        "split transaction without reconcile",
        f"{_REAL}/db/test_whole.py::test_a_decision_that_fails_anywhere_changes_nothing",
        _as_crashes_have_it(_SPLIT),
    ),
    Mutant(
        "max(seq)",
        f"{_REAL}/db/test_races.py::test_one_of_two_commits_is_written_and_the_other_catches_up",
        (
            Edit(
                f"{_SQL}/apply.sql",
                "ON t.id = d.run AND t.version = d.v",
                "ON t.id = d.run",
            ),
            Edit(
                f"{_SQL}/parts.sql",
                "    SELECT x.run, x.seq, x.t, x.s, coalesce(x.b, '{}')\n",
                "    SELECT x.run, (SELECT coalesce(max(e.seq), 0) FROM flow_step_events e\n"
                "                    WHERE e.run_id = x.run)\n"
                "                  + row_number() OVER (PARTITION BY x.run ORDER BY x.seq),\n"
                "           x.t, x.s, coalesce(x.b, '{}')\n",
            ),
        ),
    ),
    Mutant(
        "no idempotency key",
        f"{_REAL}/engine/test_launch.py::test_one_key_is_one_run_on_two_replicas_at_once",
        (
            Edit(
                "src/flowrunner/service/runs.py",
                "        key = request.idempotency_key\n",
                "        key = None\n",
            ),
        ),
    ),
    Mutant(
        "wall-clock lease",
        "tests/dispatch/test_keeper.py::test_a_clock_that_is_set_moves_no_lease",
        (
            Edit(
                "src/flowrunner/leases/keeper.py",
                '    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))\n',
                "    return time.time()\n",
            ),
        ),
    ),
    Mutant(
        "no re-scan",
        f"{_REAL}/engine/test_deaf.py::test_what_lies_in_the_inbox_is_found_without_any_hint",
        (
            Edit(
                f"{_ENGINE}/rounds.py",
                "async with asyncio.timeout(self.pause(found)):",
                "async with asyncio.timeout(self.pause(found) * 1e6):",
            ),
        ),
    ),
    Mutant(
        "no self-fence",
        "tests/dispatch/test_keeper.py::test_the_fence_falls_a_margin_before_the_lease_ends",
        (
            Edit(
                "src/flowrunner/leases/rules.py",
                "    if is_open(hold, now, times) or not hold.held:\n        return hold, NONE\n",
                "    return hold, NONE\n",
            ),
        ),
    ),
    Mutant(
        "cancel after finish",
        f"{_UNIT}/core/test_ending.py::test_an_ended_run_hears_nothing",
        (
            Edit(
                f"{_CORE}/scheduling.py",
                "        case inp.RenderRequested():\n            return controlling.render(deciding, given)\n",
                "        case inp.CancelRequested(reason=reason, actor=actor):\n"
                "            return controlling.cancel(deciding, reason, actor)\n"
                "        case inp.RenderRequested():\n            return controlling.render(deciding, given)\n",
            ),
        ),
    ),
    # There are no budgets yet. What is bounded today before anything of it is offered is a list.
    Mutant(
        "budget check after dispatch (the bound of a list, checked when its members are offered)",
        f"{_REAL}/engine/test_lists.py::test_a_list_that_is_too_long_fails_its_step",
        (
            Edit(
                f"{_CORE}/beginning.py",
                "    if total > each.max_items and each.overflow is Overflow.FAIL:\n",
                "    _offer_all(deciding, given)\n"
                "    if total > each.max_items and each.overflow is Overflow.FAIL:\n",
            ),
            Edit(
                f"{_CORE}/beginning.py",
                "def sleep(deciding: Deciding, given: inp.WaitSet) -> Verdict:\n",
                "def _offer_all(deciding: Deciding, given: inp.Expanded) -> None:\n"
                "    first, total = deciding.draft.size, len(given.keys)\n"
                "    deciding.emit(\n"
                "        ev.StepExpanded(given.step, first, given.keys, given.items, total, total, 0)\n"
                "    )\n"
                "    for child in range(first, first + total):\n"
                "        if deciding.step(child).is_ready:\n"
                "            deciding.dispatch(child, given.items)\n"
                "\n"
                "\n"
                "def sleep(deciding: Deciding, given: inp.WaitSet) -> Verdict:\n",
            ),
        ),
    ),
    Mutant(
        "ack before commit",
        f"{_REAL}/engine/test_lost_answers.py::test_a_result_is_applied_once_whatever_is_lost",
        (
            Edit(
                f"{_ENGINE}/residents.py",
                "        return await self.deliver(run_id, Told(waiting(answer, pause)))\n",
                "        self._actor(run_id).post(Letter(Told(waiting(answer, pause))))\n"
                "        return Verdict.ACCEPTED\n",
            ),
        ),
    ),
    Mutant(
        "retry on ambiguous commit",
        f"{_REAL}/engine/test_true_answers.py::test_what_was_done_is_not_told_as_too_late",
        (
            Edit(
                f"{_ENGINE}/actor.py",
                "            mine = [encode(event) for event in change.decision.events]\n",
                "            return await self._around.commit(change)\n"
                "            mine = [encode(event) for event in change.decision.events]\n",
            ),
        ),
    ),
)
