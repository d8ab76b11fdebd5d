"""Who reads: the two that always do, and specialists where the files show signs for them.

| | small | medium | large | when |
|---|---|---|---|---|
| structural, behavioural | yes | yes | yes | always |
| concurrency, data, security, operations | | two of them | three of them | the most signs |
| explorer | | | yes | always |
| risk, architect | yes | yes | yes | always |
| system | | | yes | always |
"""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner import Context
from flowrunner.evidence.signals import SignalKind

from .inventory import Stock

FROM_SMALL = ("small", "medium", "large")
FROM_MEDIUM = ("medium", "large")
ONLY_LARGE = ("large",)
SPECIALISTS = {"medium": 2, "large": 3}


@dataclass(frozen=True, slots=True)
class Analyst:
    """*sign* is what calls a specialist; the security adversary comes for anything that listens."""

    key: str
    persona: str
    bands: tuple[str, ...]
    lens: str
    sign: SignalKind | None = None

    def is_called(self, ctx: Context) -> bool:
        stock = ctx.result("inventory", Stock)
        if stock is None or not has_source(ctx):
            return False
        return self.sign is None or self.key in called(stock, ctx.band)


def has_source(ctx: Context) -> bool:
    stock = ctx.result("inventory", Stock)
    return stock is not None and bool(stock.inventory.files)


ANALYSTS = (
    Analyst(
        "structural", "structural-analyst", FROM_SMALL,
        "Look at shape: which parts there are, who may know whom, and where that is broken.",
    ),
    Analyst(
        "behavioural", "behavioural-analyst", FROM_SMALL,
        "Follow the main runs from their entry to their end: where is state, and who owns it?",
    ),
    Analyst(
        "concurrency", "concurrency-analyst", FROM_MEDIUM,
        "Look at what runs at the same time, what it shares, and what keeps it apart.",
        SignalKind.CONCURRENCY,
    ),
    Analyst(
        "data", "data-engineer", FROM_MEDIUM,
        "Look at what is stored, who writes it, and how its shape can change.",
        SignalKind.STORAGE,
    ),
    Analyst(
        "operations", "operations-engineer", FROM_MEDIUM,
        "Look at how this is built, configured, started, watched and rolled back.",
        SignalKind.OPERATIONS,
    ),
    Analyst(
        "security", "security-adversary", FROM_MEDIUM,
        "Look at the borders of trust: what comes in, who checks it, and what lies behind.",
        SignalKind.NEW_MODULE,
    ),
    Analyst(
        "explorer", "codebase-explorer", ONLY_LARGE,
        "Walk through what the others will not: the parts that nothing points at.",
    ),
)  # fmt: skip

KEYS = tuple(analyst.key for analyst in ANALYSTS)


def called(stock: Stock, band: str) -> tuple[str, ...]:
    """Return the specialists with the most signs, as many as the band has room for.

    A deeper band asks whom the shallower one asks, and more: the order is the same.
    """
    counts = {signal.kind: signal.count for signal in stock.ground.scope.signals}
    signed = [
        (-counts.get(analyst.sign, 0), KEYS.index(analyst.key), analyst.key)
        for analyst in ANALYSTS
        if analyst.sign is not None and analyst.sign in counts and analyst.key != "security"
    ]
    ranked = [key for _, _, key in sorted(signed)]
    # Whoever stores, shares or deploys has borders too: security comes last, and not for nothing.
    names = [*ranked, *(["security"] if ranked else [])]
    return tuple(names[: SPECIALISTS.get(band, 0)])
