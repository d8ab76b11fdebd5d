"""One run of 100,000 steps: ten lists of 10,000 members each, 100 of a list at once."""

from __future__ import annotations

from resource import RUSAGE_SELF, getrusage

from suite.shapes import MEMBERS
from suite.stage import Figures, Stage, meter, timed


async def measure(stage: Stage) -> Figures:
    members = 10 * MEMBERS[stage.quick]
    async with stage.service() as service:
        with stage.admin(service.addresses) as conn:
            before = meter(conn, service)
            seconds = await timed(service, "each")
            spent = meter(conn, service).per(before, members, "large")
    return {
        "large_steps_per_second": members / seconds,
        **spent,
        "large_peak_megabytes": getrusage(RUSAGE_SELF).ru_maxrss / 1024,
    }
