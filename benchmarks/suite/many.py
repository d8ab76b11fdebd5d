"""Many small runs at once: 1 step, then 3, then 1."""

from __future__ import annotations

from suite.stage import Figures, Stage, meter, timed

_STEPS = 5


async def measure(stage: Stage) -> Figures:
    runs = stage.size(2_000, 200)
    async with stage.service() as service:
        with stage.admin(service.addresses) as conn:
            before = meter(conn, service)
            seconds = await timed(service, "diamond", runs)
            spent = meter(conn, service).per(before, runs * _STEPS, "many")
    return {"many_steps_per_second": runs * _STEPS / seconds, **spent}
