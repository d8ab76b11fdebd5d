"""A diamond and what may become of each of its four steps; how it ends, by rules in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from builders import a_graph
from flowrunner.core.graph import Graph, OnSkip, Siblings

FATES = ("done", "no", "no_cascade", "fail", "tolerate", "skip", "cascade")
"""Its agent answers; its `when` says no (and what follows it is skipped as well); or its agent fails,
under each of the policies."""
NO = ("no", "no_cascade")
TAKES_ALONG = ("no_cascade", "cascade")


@dataclass
class Diamond:
    """`d` needs `b` and `c`, which need `a`; *order* is who of `b` and `c` ends first."""

    fates: Mapping[str, str]
    order: str = "bc"
    siblings: Siblings = Siblings.STOP
    ends: dict[str, str] = field(default_factory=dict[str, str])
    is_failing: bool = False

    def graph(self) -> Graph:
        steps = [
            self._step(key, needs)
            for key, needs in (("a", ""), ("b", "a"), ("c", "a"), ("d", "b,c"))
        ]
        specs = [
            replace(spec, on_skip=OnSkip.CASCADE) if fate == "no_cascade" else spec
            for spec, fate in zip(a_graph(*steps).steps, self.fates.values(), strict=True)
        ]
        return Graph(tuple(specs), siblings=self.siblings)

    def _step(self, key: str, needs: str) -> str:
        fate = self.fates[key]
        policy = f"!{fate}" if fate in {"tolerate", "skip", "cascade"} else ""
        return f"{key}?{policy}" + (f"<-{needs}" if needs else "")

    def told(self) -> Iterator[tuple[str, str]]:
        """Step and word, as they happen: both sides begin before either ends."""
        yield from self._turn("a")
        for key in "bc":
            yield key, "no" if self.fates[key] in NO else "yes"
        for key in self.order:
            if self.fates[key] not in NO:
                yield key, self._end(key)
        yield from self._turn("d")

    def _turn(self, key: str) -> Iterator[tuple[str, str]]:
        if self.fates[key] in NO:
            yield key, "no"
        else:
            yield key, "yes"
            yield key, self._end(key)

    def _end(self, key: str) -> str:
        return "done" if self.fates[key] == "done" else "failed"

    def expected(self) -> dict[str, str]:
        """How each step ends, by R2-17, R2-20 and D2-07."""
        self._comes("a")
        if self.is_failing:
            return self.ends | dict.fromkeys("bcd", "cancelled")
        if self.fates["a"] in TAKES_ALONG:
            return self.ends | dict.fromkeys("bcd", "skipped")
        sides = [key for key in "bc" if self.fates[key] in NO]
        for key in (*sides, *(key for key in self.order if key not in sides)):
            if self.is_failing and self.siblings is Siblings.STOP:
                self.ends[key] = "cancelled"
            else:
                self._comes(key)
            if self.is_failing:
                self.ends.setdefault("d", "cancelled")
            elif self.fates[key] in TAKES_ALONG:
                self.ends.setdefault("d", "skipped")
        if "d" not in self.ends:
            self._comes("d")
        return self.ends

    def _comes(self, key: str) -> None:
        fate = self.fates[key]
        self.ends[key] = {"done": "completed", **dict.fromkeys(NO, "skipped")}.get(fate, "failed")
        self.is_failing = self.is_failing or fate == "fail"

    @property
    def name(self) -> str:
        """The fates of its steps, the order and the policy."""
        return "-".join([*self.fates.values(), self.order, self.siblings.value])


def diamonds(a: str) -> Iterator[Diamond]:
    """Every diamond whose first step has that fate; of steps that cannot begin one fate is enough."""
    goes_on = a not in {"fail", *TAKES_ALONG}
    for b, c in product(FATES, repeat=2) if goes_on else (("done", "done"),):
        orders = ("bc",) if {b, c} & {*NO} else ("bc", "cb")
        begins = goes_on and not {b, c} & {"fail", *TAKES_ALONG}
        for d, order, siblings in product(FATES if begins else ("done",), orders, Siblings):
            yield Diamond({"a": a, "b": b, "c": c, "d": d}, order, siblings)
