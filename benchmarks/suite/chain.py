"""A chain of 100 steps: nothing can be batched, so a hop is a result's way to the next step."""

from __future__ import annotations

from suite.stage import Figures, Stage, meter, timed

_STEPS = 100


async def measure(stage: Stage) -> Figures:
    rounds = stage.size(5, 2)
    async with stage.service() as service:
        await timed(service, "chain")
        with stage.admin(service.addresses) as conn:
            before = meter(conn, service)
            seconds = [await timed(service, "chain") for _ in range(rounds)]
            spent = meter(conn, service).per(before, rounds * _STEPS, "chain")
    hop = sorted(seconds)[len(seconds) // 2] / _STEPS
    return {"chain_hop_ms": hop * 1000, "chain_hops_per_second": 1 / hop, **spent}
