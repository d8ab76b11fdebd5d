"""`make failovers`: a hundred of them, half by death and half by a cut cable."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import structlog

from chaos.conftest import SHM
from faults.clusters.failovers import OPTIONS, Kind, Round, a_campaign, kinds_of, spread
from faults.clusters.hosts import a_network, loopback, why_no_namespaces
from faults.clusters.pairs import a_pair


def main() -> int:
    """Return 1 when anything was lost, done twice, or stood still."""
    parser = argparse.ArgumentParser(prog="failovers", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many failovers")
    parser.add_argument("--seed", type=int, default=7, help="of their order and moments")
    parser.add_argument("--restarts", type=int, default=0, help="immediate restarts after them")
    parser.add_argument("--kind", choices=("kill", "cut"), help="only failovers of this kind")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds until one is noticed")
    parser.add_argument("--defaults", action="store_true", help="addresses without time-outs")
    given = parser.parse_args()
    # Whoever ends us by a signal wants hosts, servers and folders gone as well.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    refusal = why_no_namespaces()
    chance = random.Random(given.seed)  # noqa: S311  # a seed
    kinds = kinds_of(given.count, chance, can_cut=refusal is None)
    if given.kind is not None:
        kinds = [given.kind] * given.count
    kinds += ["restart"] * given.restarts
    if refusal is not None:
        skipped = given.count // 2
        _say(f"SKIPPED {skipped} partitions: {refusal}; all {given.count} are deaths")
    folder = Path(tempfile.mkdtemp(prefix="fr-clusters-", dir=SHM if SHM.is_dir() else None))
    try:
        return _all(folder, kinds, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _all(folder: Path, kinds: list[Kind], given: argparse.Namespace) -> int:
    began = time.monotonic()
    network = a_network if why_no_namespaces() is None else loopback
    with network("a", "b", "s") as hosts, a_pair(hosts, folder / "pair") as pair:
        options = {} if given.defaults else OPTIONS
        with a_campaign(pair, folder / "service", given.seed, options) as campaign:
            campaign.pause = given.pause
            for kind in kinds:
                _tell(campaign.play(kind))
        rounds, diary = campaign.rounds, campaign.load.diary
    for kind in ("kill", "cut", "restart"):
        _say(spread(rounds, kind))
    seconds = time.monotonic() - began
    _say(
        f"{len(rounds)} losses in {seconds:.0f} s, {seconds / len(rounds):.1f} s each, seed {given.seed}"
    )
    _say(
        f"acknowledged: {len(diary.launches)} launches, {len(diary.results)} results,"
        f" {len(diary.decisions)} decisions; {len(diary.ended)} runs ended"
    )
    _say(f"in doubt and resolved: {dict(diary.doubts)}; replayed launches: {diary.replays}")
    lost = sum(len(each.losses) for each in rounds)
    _say(f"violations: {lost}")
    return 1 if lost else 0


def _tell(played: Round) -> None:
    figures = f"promoted {played.promoted_seconds:.2f} s, served {played.outage_seconds:.2f} s"
    _say(f"{played.number:4} {played.kind:8} {figures}, all {played.total_seconds:.1f} s")
    for loss in played.losses:
        _say(f"     {loss}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
