"""The database's primary is lost: its standby takes over, and nothing that anybody was told is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.conftest import Measured
from chaos.waiting import until
from faults.clusters.failovers import Kind, a_campaign
from faults.clusters.hosts import a_network, loopback, why_no_namespaces
from faults.clusters.ledger import Ledger
from faults.clusters.pairs import a_pair

SEEN = ("lost: launch", "lost: result", "lost: decision")
LONGEST_OUTAGE = {"kill": 8.0, "cut": 12.0, "restart": 8.0}
NO_CUTS = pytest.mark.skipif(
    why_no_namespaces() is not None,
    reason=f"PARTITIONS ARE NOT TESTED: {why_no_namespaces()}",
)


@pytest.mark.parametrize("kind", ["kill", pytest.param("cut", marks=NO_CUTS), "restart"])
def test_a_lost_primary_loses_nothing(place: Path, kind: Kind, measured: Measured) -> None:
    """P1, P3, P4, P7, D2-02, D2-03, D2-29, I2, I6: launches, results and decisions that were acknowledged are
    on the new primary, doubtful ones are resolved by asking again, nothing ends twice, all runs end.
    """
    hosts = loopback if why_no_namespaces() else a_network
    with hosts("a", "b", "s") as network, a_pair(network, place / "pair") as pair:
        with a_campaign(pair, place / "service", seed=7) as campaign:
            lost = campaign.play(kind)
        diary = campaign.load.diary
    measured("nobody was served for", round(lost.outage_seconds, 2))
    measured("acknowledged", (len(diary.launches), len(diary.results), len(diary.decisions)))
    assert lost.losses == []
    assert lost.outage_seconds < LONGEST_OUTAGE[kind]
    assert min(len(diary.launches), len(diary.results), len(diary.decisions)) >= 4


def test_a_promotion_too_early_would_be_seen(place: Path) -> None:
    """P3: these tests' own eyes: a standby that lagged behind has lost what was acknowledged."""
    with loopback("a", "b", "s") as network, a_pair(network, place / "pair") as pair:
        with a_campaign(pair, place / "service", seed=7) as campaign:
            until(lambda: len(campaign.load.diary.ended) >= 2, 30.0)
            # Nobody waits for the standby any more, and it hears nothing more.
            pair.primary.configure()
            pair.primary.reload()
            pair.standby.kill()
            told = len(campaign.load.diary.ended)
            until(lambda: len(campaign.load.diary.ended) >= told + 2, 30.0)
            campaign.settled()
            pair.primary.quit()
            pair.standby.start()
            found = Ledger(pair.standby).losses(campaign.load.diary)
            pair.primary.start()
        kinds = {what for loss in found for what in SEEN if loss.startswith(what)}
        assert kinds == set(SEEN)
