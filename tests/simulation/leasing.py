"""The statements of dispatchers and the reaper, as alembic/sql/functions/dispatch.sql has them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from simulation.tables import Left, Letterbox, Place, Tables


def register(tables: Tables, worker: UUID, lease: float) -> None:
    tables.workers[worker] = tables.now + lease


def claim(tables: Tables, worker: UUID, queues: Sequence[str], count: int) -> list[ClaimedTask]:
    """claim_v1: the oldest first, each under a fresh epoch; nothing for whose lease has ended."""
    if tables.workers.get(worker, -1.0) <= tables.now:
        return []
    free = [
        place for place in tables.queue.values() if place.queue in queues and place.epoch is None
    ]
    free.sort(key=lambda place: place.sort_key)
    return [_taken(tables, place, worker) for place in free[:count]]


def _taken(tables: Tables, place: Place, worker: UUID) -> ClaimedTask:
    tables.last_epoch += 1
    place.epoch, place.worker = tables.last_epoch, worker
    row = tables.tasks[place.run, place.step, place.attempt]
    prompt = row.get("prompt")
    return ClaimedTask(
        task_id=f"{place.run}.{place.step}.{place.attempt}",
        run_id=RunId(place.run),
        step_no=place.step,
        attempt=place.attempt,
        epoch=place.epoch,
        queue=place.queue,
        step_key=row["key"],
        kind=row["kind"],
        project_root="/",
        agent=row["agent"],
        model=None,
        persona=row["persona"],
        mode_id="plan",
        limits=Limits(row["total"], row["idle"]),
        input=None if prompt is None else tables.payloads[prompt],
    )


def renew(
    tables: Tables, worker: UUID, lease: float, held: Collection[int]
) -> tuple[bool, list[int], dict[str, float]]:
    """renew_v2: whether the worker is known, which of its leases are not its any more, who is paused."""
    is_known = worker in tables.workers
    if is_known:
        tables.workers[worker] = tables.now + lease
    mine = {place.epoch for place in tables.queue.values() if place.worker == worker}
    paused = {name: until - tables.now for name, until in tables.paused.items()}
    left = {name: seconds for name, seconds in paused.items() if seconds > 0}
    return is_known, [epoch for epoch in held if epoch not in mine], left


def pause_provider(tables: Tables, provider: str, until: float | None) -> float | None:
    """pause_provider_v1: the latest word stands; for how many seconds it does."""
    if until is not None and until > max(tables.now, tables.paused.get(provider, 0.0)):
        tables.paused[provider] = until
        tables.notices.append(("leases_lost", ""))
    left = tables.paused.get(provider, 0.0) - tables.now
    return left if left > 0 else None


def release(tables: Tables, worker: UUID, epochs: Collection[int]) -> int:
    """release_v1; what was reported stays until it is read."""
    return _hand_back([p for p in _held_by(tables, worker) if p.epoch in epochs])


def release_unknown(tables: Tables, worker: UUID, keep: Collection[int]) -> int:
    return _hand_back([p for p in _held_by(tables, worker) if p.epoch not in keep])


def deregister(tables: Tables, worker: UUID) -> None:
    release_unknown(tables, worker, ())
    tables.workers.pop(worker, None)


def _held_by(tables: Tables, worker: UUID) -> Iterator[Place]:
    return (
        place
        for place in tables.queue.values()
        if place.worker == worker and place.epoch is not None and not tables.is_reported(place)
    )


def _hand_back(places: Sequence[Place]) -> int:
    for place in places:
        place.epoch = place.worker = None
    return len(places)


def report(tables: Tables, row: Letterbox) -> None:
    """report_v2: leave a result in the inbox."""
    tables.last_result += 1
    row.id = tables.last_result
    tables.results.append(row)
    place = tables.queue.get((row.run, row.step))
    was_held = place is not None and (place.attempt, place.epoch) == (row.attempt, row.epoch)
    tables.left.append(Left(row.run, row.step, row.attempt, row.epoch, was_held))
    tables.notices.append(("results_new", ""))


def list_dead(
    tables: Tables, lease: float, grace: float, limit: int
) -> list[tuple[float, UUID | None, int | None, int | None, int | None, UUID | None]]:
    """LIST_DEAD: held tasks whose worker is gone, with the brake on mass expiry, and the time."""
    found = _dead(tables, lease, limit) if tables.now > tables.started_at + grace else []
    if not found:
        return [(tables.now, None, None, None, None, None)]
    return [(tables.now, p.run, p.step, p.attempt, p.epoch, p.worker) for p in found]


def _dead(tables: Tables, lease: float, limit: int) -> list[Place]:
    seen = [ends for ends in tables.workers.values() if ends > tables.now - lease]
    expired = sum(ends < tables.now for ends in seen)
    brake = lease if len(seen) >= 3 and expired * 2 > len(seen) else 0.0
    dead = [
        place
        for place in tables.queue.values()
        if place.epoch is not None
        and _is_gone(tables, place, brake)
        and not tables.is_reported(place)
    ]
    dead.sort(key=lambda place: (place.run, place.step))
    return dead[:limit]


def _is_gone(tables: Tables, place: Place, brake: float) -> bool:
    ends = None if place.worker is None else tables.workers.get(place.worker)
    return ends is None or ends < tables.now - brake
