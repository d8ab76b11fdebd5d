"""Guards of this project, each taken away: leases, questions, rights, prompts, pauses, calls."""

from __future__ import annotations

from mutants.copies import Edit, Mutant

_CORE, _ENGINE = "src/flowrunner/core", "src/flowrunner/engine"
_SQL = "alembic/sql/functions"
_UNIT, _DB = "tests/unit", "tests/integration/db"
_PLAYED, _DOORS = "tests/integration/engine", "tests/integration/doors"


def _one(name: str, test: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, test, (Edit(file, old, new),))


LEASES = (
    _one(
        "a result does not depend on its lease",
        f"{_UNIT}/core/test_settling.py::test_no_end_of_an_attempt_is_without_a_guard",
        f"{_CORE}/settling.py",
        "    deciding.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))\n    match",
        "    match",
    ),
    _one(
        "a repeated result is no duplicate",
        f"{_UNIT}/core/test_settling.py::test_a_repeated_callback_is_a_duplicate",
        f"{_CORE}/settling.py",
        "    if step.epoch == given.epoch != 0:\n        return Verdict.DUPLICATE\n    if step.status",
        "    if step.status",
    ),
    _one(
        "a task that lay too long fails, held or not",
        f"{_DB}/test_questions.py::test_a_claim_that_came_first_keeps_its_task",
        f"{_CORE}/settling.py",
        "    deciding.guards.append(LeaseGuard(given.step, given.token, 0))\n",
        "",
    ),
    _one(
        "the dead may claim",
        f"{_DB}/test_queue.py::test_who_is_not_alive_gets_nothing",
        f"{_SQL}/dispatch.sql",
        " WHERE w.id = p_worker AND w.expires_at > clock_timestamp())\n",
        " WHERE true)\n",
    ),
    _one(
        "a commit gives work to the dead",
        f"{_DB}/test_taking.py::test_a_worker_whose_lease_has_ended_is_given_nothing",
        f"{_SQL}/parts.sql",
        "w.id = x.w AND w.expires_at > clock_timestamp()",
        "w.id = x.w",
    ),
    _one(
        "what a commit without an answer gave us is forgotten",
        "tests/dispatch/test_places.py::test_a_commit_without_an_answer_is_handed_back",
        "src/flowrunner/leases/keeper.py",
        "        self._took(count)\n        self._doubt()\n",
        "        self._took(count)\n",
    ),
    _one(
        "what was reported is handed back",
        f"{_DB}/test_queue.py::test_what_was_reported_is_not_offered_again",
        f"{_SQL}/dispatch.sql",
        " AND q.epoch = ANY (p_epochs)\n"
        "           AND NOT is_reported_v1(q.run_id, q.step_no, q.epoch)\n",
        " AND q.epoch = ANY (p_epochs)\n",
    ),
    _one(
        "a claim without an answer is forgotten",
        "tests/dispatch/test_keeper.py::test_a_claim_that_nobody_heard_of_is_handed_back",
        "src/flowrunner/leases/rules.py",
        "    return replace(hold, doubt_until=now + times.lease_seconds)\n",
        "    return hold\n",
    ),
    _one(
        "a lost lease writes on in its transcript",
        f"{_DB}/test_queue.py::test_only_a_live_lease_adds_to_a_transcript",
        f"{_SQL}/dispatch.sql",
        "           AND q.epoch = p_epoch),\n",
        "           AND q.epoch IS NOT NULL),\n",
    ),
    _one(
        "everybody dies when the database was away",
        f"{_DB}/test_queue.py::test_a_mass_expiry_is_given_one_more_lease",
        "src/flowrunner/db/queue.py",
        "WHEN seen.workers >= 3 AND ",
        "WHEN seen.workers < 0 AND ",
    ),
    _one(
        "poison is swallowed for ever",
        f"{_UNIT}/core/test_recovering.py::test_poison_is_a_crash_loop",
        f"{_CORE}/deciding.py",
        "        if step.crashes + 1 >= MAX_CRASHES:\n",
        "        if step.crashes < 0 and MAX_CRASHES:\n",
    ),
)

QUESTIONS = (
    _one(
        "another question is approved than was seen",
        f"{_DOORS}/test_deciding.py::test_another_question_is_not_what_was_approved",
        "src/flowrunner/service/approvals.py",
        "        if body.digest is not None and body.digest != line.digest:\n",
        "        if body.digest is not None and not line.digest:\n",
    ),
    _one(
        "anybody decides",
        f"{_DOORS}/test_deciding.py::test_only_approvers_decide",
        "src/flowrunner/service/approvals.py",
        "        if asked.approvers and actor not in asked.approvers:\n",
        "        if asked.approvers and not actor:\n",
    ),
    _one(
        "the last decision stands, not the first",
        f"{_PLAYED}/test_in_flight.py::test_two_decisions_in_flight_are_one",
        f"{_CORE}/approving.py",
        "    if step.status is not StepStatus.BLOCKED or step.attempt != given.attempt:\n",
        "    if step.attempt != given.attempt:\n",
    ),
)

RIGHTS = (
    _one(
        "dispatchers read tables",
        f"{_DB}/test_rights.py::test_a_dispatcher_may_call_its_functions_and_nothing_else",
        "alembic/sql/rights.sql",
        "        EXECUTE format('GRANT USAGE ON SCHEMA %I TO flowrunner_dispatcher', path);\n",
        "        EXECUTE format('GRANT USAGE ON SCHEMA %I TO flowrunner_dispatcher', path);\n"
        "        GRANT SELECT ON tasks TO flowrunner_dispatcher;\n",
    ),
    _one(
        "the service rewrites its log",
        f"{_DB}/test_rights.py::test_the_service_cannot_change_what_is_immutable",
        "alembic/sql/rights.sql",
        "REVOKE UPDATE ON tasks, payloads, flow_definitions, flow_step_events, ",
        "REVOKE UPDATE ON tasks, payloads, flow_definitions, ",
    ),
    _one(
        "a task of a flow may write",
        f"{_DB}/test_refusals.py::test_the_schema_refuses",
        "alembic/sql/0001_tables.sql",
        " CONSTRAINT tasks_mode_id_check CHECK (mode_id = 'plan')",
        " CONSTRAINT tasks_mode_id_check CHECK (mode_id <> '')",
    ),
    _one(
        "any name is ours",
        f"{_UNIT}/doors/test_guard.py::test_a_host_is_one_of_ours_or_refused",
        "src/flowrunner/api/guard.py",
        "    if host is not None and (host.name in {*_LOOPBACK, gate.bound} or _is_listed(host, gate)):\n",
        "    if host is not None:\n",
    ),
)

MOVES = (
    _one(
        "an ended step moves",
        f"{_DB}/test_refusals.py::test_an_ended_step_cannot_be_moved_by_a_decision",
        f"{_SQL}/apply.sql",
        "AND (t.finished_at IS NULL OR x.reset)",
        "",
    ),
    _one(
        "a prompt speaks of a refused result",
        f"{_UNIT}/engine/test_actor.py::test_what_was_refused_is_in_no_prompt",
        f"{_ENGINE}/actor.py",
        '        if applied.verdict != "ok":\n            self._forget(plan.begun)\n',
        "",
    ),
    _one(
        "a commit without an answer counts as done",
        f"{_PLAYED}/test_true_answers.py::test_what_was_done_is_not_told_as_too_late",
        f"{_ENGINE}/actor.py",
        'return Applied("ok") if theirs == mine else Applied("conflict")',
        'return Applied("ok")',
    ),
    _one(
        "a commit is known again by Python's types",
        f"{_PLAYED}/test_true_answers.py::test_what_was_done_is_not_told_as_too_late",
        f"{_CORE}/codec.py",
        "        case tuple():\n            return [",
        "        case list():\n            return [",
    ),
    _one(
        "a paused run goes on",
        f"{_UNIT}/core/test_people.py::test_a_paused_run_offers_nothing_and_hears_what_ends",
        f"{_CORE}/scheduling.py",
        "            return _while_live(deciding, given)\n        case _:\n            return _after_the_end",
        "            return _while_running(deciding, given)\n"
        "        case _:\n            return _after_the_end",
    ),
    _one(
        "a run has for ever",
        f"{_UNIT}/core/test_launch.py::test_a_deadline_is_set_at_the_launch",
        f"{_CORE}/settling.py",
        "        deciding.set_timer(inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL, 0, deadline)\n",
        "        pass\n",
    ),
    _one(
        "a call that was made is made again",
        f"{_UNIT}/laws/test_deciding.py::test_the_same_input_twice_is_once",
        f"{_CORE}/settling.py",
        "    if given.key in calls:\n        return Verdict.DUPLICATE\n",
        "",
    ),
    _one(
        "a list begins all at once",
        f"{_PLAYED}/test_lists.py::test_no_more_members_are_at_work_than_the_window_lets",
        f"{_CORE}/meaning.py",
        "    released = max(0, min(parent.each.parallel - at, len(event.keys)))\n",
        "    released = max(0, min(10_000 - at, len(event.keys)))\n",
    ),
    _one(
        "nobody looks for dead leases",
        f"{_PLAYED}/test_recovery.py::test_a_dead_workers_task_is_offered_again",
        f"{_ENGINE}/reaper.py",
        "        await self._reap()\n",
        "",
    ),
    _one(
        "nobody looks for runs that stand still",
        f"{_PLAYED}/test_recovery.py::test_a_run_whose_task_vanished_is_moved_again",
        f"{_ENGINE}/reaper.py",
        "        await self._repair()\n",
        "",
    ),
)

GUARDS = (*LEASES, *QUESTIONS, *RIGHTS, *MOVES)
