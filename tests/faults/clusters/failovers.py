"""Lose the primary, promote its standby, rebuild, and again, while clients write down what they hear."""

from __future__ import annotations

import random
import shutil
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from chaos.diary import Diary as Agents
from chaos.programs import HERE, Installation, Server, an_installation, ready
from chaos.verdicts import assert_quiet
from chaos.waiting import until
from faults.clusters.ledger import Ledger
from faults.clusters.load import Load, under_load
from faults.clusters.pairs import Pair
from flowrunner.wire.runs import LaunchBody

Kind: TypeAlias = Literal["kill", "cut", "restart"]

FLOWS = Path(__file__).parent / "flows"
# What an operator may add to both addresses; a cut is noticed within three seconds then. That one
# of the two is asked for which writes, is the product's business.
OPTIONS = {
    "connect_timeout": "2",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
LEASES = {
    "FLOWRUNNER_LEASE_SECONDS": "20",
    "FLOWRUNNER_RENEW_SECONDS": "1",
    "FLOWRUNNER_LEASE_MARGIN_SECONDS": "4",
    "FLOWRUNNER_REAP_SECONDS": "1",
}
LIVE_RUNS = 4
# Liveness has a floor; how soon it was is measured. Both bear a machine that others use as well.
LIVE_SECONDS = 120.0
END_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Round:
    """One loss: how long nobody was served, and what was found afterwards."""

    number: int
    kind: Kind
    promoted_seconds: float
    outage_seconds: float
    total_seconds: float
    losses: list[str]


@dataclass(slots=True)
class Campaign:
    """A pair, a service on a host of its own, and its load."""

    pair: Pair
    server: Server
    load: Load
    chance: random.Random
    ledger: Ledger
    pause: float = 0.0
    """How long whoever promotes takes to notice."""
    rounds: list[Round] = field(default_factory=list[Round])

    def play(self, kind: Kind) -> Round:
        """Lose the primary once, and look at everything when it is over."""
        began = time.monotonic()
        self.load.go_on()
        self._await_ends(LIVE_RUNS)
        pause = self.chance.uniform(0.0, 0.5)
        until(lambda: time.monotonic() > began + pause)
        fault_at = self._lose(kind)
        promoted_at = time.monotonic()
        served_at = until(lambda: self.load.diary.recovered_at(fault_at) or 0.0, LIVE_SECONDS)
        if kind != "restart":
            self.pair.rebuild(from_nothing=self.chance.random() < 1 / 4)
        self._await_ends(LIVE_RUNS)
        losses = self.settled()
        promoted, outage = promoted_at - fault_at, served_at - fault_at
        done = time.monotonic() - began
        self.rounds.append(Round(len(self.rounds) + 1, kind, promoted, outage, done, losses))
        return self.rounds[-1]

    def _lose(self, kind: Kind) -> float:
        """Return when it happened; somebody has taken over by then."""
        primary = self.pair.primary
        if kind == "restart":
            primary.quit()
            fault_at = time.monotonic()
            primary.start()
            return fault_at
        if kind == "kill":
            fault_at = primary.kill()
        else:
            self.pair.network.cut(primary.host)
            fault_at = time.monotonic()
        noticed_at = fault_at + self.pause + self.chance.uniform(0.0, 0.3)
        until(lambda: time.monotonic() > noticed_at, self.pause + 5.0)
        self.pair.fail_over()
        self.ledger.node = self.pair.primary
        return fault_at

    def _await_ends(self, count: int) -> None:
        """Liveness: so many runs that were begun from now on, or before, end now."""
        before = len(self.load.diary.ended)
        until(lambda: len(self.load.diary.ended) >= before + count, LIVE_SECONDS)

    def settled(self) -> list[str]:
        """Launch nothing more until every run has ended; then compare."""
        self.load.pause()
        until(lambda: self.load.under_way == 0 and self.ledger.live() == 0, END_SECONDS)
        return self.ledger.losses(self.load.diary)


@contextmanager
def a_campaign(
    pair: Pair, folder: Path, seed: int, options: Mapping[str, str] = OPTIONS
) -> Generator[Campaign]:
    """A server, a worker and a steady load against *pair*; judged once more when the block ends."""
    host = pair.network.hosts["s"]
    installation = a_service_of(pair, folder, options)
    installation.prefix = host.prefix
    agents = Agents(installation.folder)
    agents.open()
    try:
        server = installation.serve("--no-worker").ready()
        ready(installation.worker("--slots", "2"))
        project = str(installation.folder / "project")
        slow = LaunchBody(input={"stubborn": [], "gate": "open"}, project=project, agent="watched")
        load = Load(server.url, LaunchBody(project=project), host, slow_body=slow)
        with under_load(load):
            chance = random.Random(seed)  # noqa: S311  # a seed
            yield Campaign(pair, server, load, chance, Ledger(pair.primary))
        assert_quiet(agents, installation)
        assert_checked(installation)
        complaints = [line for each in installation.programs for line in each.complaints()]
        assert complaints == [], "\n".join(complaints)
    except BaseException:
        installation.finish()
        installation.tell()
        raise
    finally:
        installation.finish()
        shutil.rmtree(folder, ignore_errors=True)


def a_service_of(pair: Pair, folder: Path, options: Mapping[str, str]) -> Installation:
    """An installation that is told both addresses, and how patient to be with either."""
    flows = f"{HERE / 'flows'}:{FLOWS}"
    address = {"FLOWRUNNER_DATABASE_URL": pair.address(**options)}
    return an_installation(folder, **LEASES, FLOWRUNNER_FLOWS=flows, **address)


def assert_checked(installation: Installation) -> None:
    """`flowrunner check` has nothing to say about the whole database."""
    checked = installation.start("check", "--json", "check")
    code = checked.process.wait(300)
    assert code == 0, checked.out.read_text(encoding="utf-8")


def kinds_of(count: int, chance: random.Random, *, can_cut: bool) -> list[Kind]:
    """As many of either kind, in any order."""
    kinds: list[Kind] = ["kill" if number % 2 or not can_cut else "cut" for number in range(count)]
    chance.shuffle(kinds)
    return kinds


def spread(rounds: Sequence[Round], kind: Kind) -> str:
    """How long nobody was served: median and most."""
    outages = [each.outage_seconds for each in rounds if each.kind == kind]
    if not outages:
        return f"{kind}: none"
    middle, most = statistics.median(outages), max(outages)
    return f"{kind}: {len(outages)}, outage median {middle:.2f} s, max {most:.2f} s"
