"""One step, then many at once, then one that needs them all; *width* counts those two as well."""

from __future__ import annotations

from suite.shapes import WIDTHS
from suite.stage import Figures, Stage, meter, timed


async def measure(stage: Stage) -> Figures:
    figures: Figures = {}
    for width in WIDTHS[: stage.size(3, 2)]:
        async with stage.service() as service:
            with stage.admin(service.addresses) as conn:
                before = meter(conn, service)
                seconds = await timed(service, f"fan-{width}")
                spent = meter(conn, service).per(before, width, f"fan_{width}")
        figures[f"fan_{width}_steps_per_second"] = width / seconds
        figures |= spent
    least, most = (figures.get(f"fan_{width}_python_us") for width in (WIDTHS[0], WIDTHS[-1]))
    if least is not None and most is not None:
        servers = (figures[f"fan_{width}_postgres_us"] for width in (WIDTHS[0], WIDTHS[-1]))
        small, large = servers
        figures["step_cost_10000_to_100"] = (most + large) / (least + small)
    return figures
