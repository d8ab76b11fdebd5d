"""Figures as a table: medians, spread, and what was aimed at."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le
from statistics import median

RATIO = "_to_commits"


@dataclass(frozen=True, slots=True)
class Aim:
    """*least*: the figure must be at least that, else at most."""

    value: float
    least: bool = False

    def is_met(self, figure: float) -> bool:
        return (ge if self.least else le)(figure, self.value)

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:g}"


AIMS: Mapping[str, Aim] = {
    f"chain_hops_per_second{RATIO}": Aim(0.5, least=True),
    f"fan_10000_steps_per_second{RATIO}": Aim(3, least=True),
    "step_cost_10000_to_100": Aim(1.3),
    "many_to_best_peer": Aim(2, least=True),
    "wakeup_remote_p50_ms": Aim(3),
    "wakeup_remote_p99_ms": Aim(10),
    "wakeup_local_p50_ms": Aim(3),
    "wakeup_local_p99_ms": Aim(10),
    "recovery_after_lease_seconds": Aim(2),
    "recovery_effects_twice": Aim(0),
    "idle_python_percent": Aim(1),
    "idle_statements_per_second": Aim(2),
    "wal_bytes_per_step": Aim(1_200),
    "resident_10000_megabytes": Aim(100),
}


def rows(rounds: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, str, str, str]]:
    """Figure, median, least to most of how many rounds, and the aim with whether it is met."""
    for name, values in rounds.items():
        middle = median(values)
        aim = AIMS.get(name)
        said = "" if aim is None else f"{aim} {'met' if aim.is_met(middle) else '**missed**'}"
        spread = f"{number(min(values))} to {number(max(values))} ({len(values)})"
        yield name, number(middle), spread, said


def number(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(rounds: Mapping[str, Sequence[float]]) -> str:
    lines = ["| figure | median | least to most (rounds) | aim |", "|---|---:|---:|---|"]
    lines += [f"| {' | '.join((f'`{row[0]}`', *row[1:]))} |" for row in rows(rounds)]
    return "\n".join(lines) + "\n"


def plain(rounds: Mapping[str, Sequence[float]]) -> str:
    return "\n".join(
        f"{name:44}{middle:>10}{spread:>26}  {aim}" for name, middle, spread, aim in rows(rounds)
    )


def machine() -> str:
    return f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}"
