"""Measure the engine beside PostgreSQL's own limit, in one run on one server.

A figure alone says little on a machine with neighbours: read the ratios, and the costs in CPU time.
`python benchmarks/run.py [--rounds N] [--quick] [--only NAME ...] [--json FILE] [--docs FILE]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import structlog
from suite import peers, table
from suite.floor import commits_per_second
from suite.shapes import MEMBERS, library
from suite.stage import Figures, Stage

from flowrunner.bootstrap.collecting import collect_rarely
from flowrunner.embedded.cluster import Cluster

_TOP = Path(__file__).resolve().parent
BENCHMARKS = (
    "chain", "fan", "many", "wal", "wakeup", "idle", "recovery", "startup", "large", "claims",
    "gates", "agents",
)  # fmt: skip
CLIENTS = (1, 8, 32)


def main() -> int:
    asked = _parsed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rounds = _kept(asked.join) if asked.join else _measured(asked)
    print(table.plain(rounds))
    print(f"\n{table.machine()}")
    _keep(asked, rounds)
    return 0


def _kept(files: Sequence[Path]) -> dict[str, list[float]]:
    """The rounds of earlier runs; of a figure that several have, those of the last."""
    rounds: dict[str, list[float]] = {}
    for file in files:
        rounds |= json.loads(file.read_text(encoding="utf-8"))["rounds"]
    return rounds


def _measured(asked: argparse.Namespace) -> dict[str, list[float]]:
    rounds: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="fr-bench-") as folder,
        Cluster(Path(folder) / "data") as cluster,
    ):
        flows = library(Path(folder) / "flows", MEMBERS[asked.quick])
        collect_rarely()  # as `serve` does
        stage = Stage(cluster, flows, Path(folder), quick=asked.quick)
        for number in range(asked.rounds):
            for name, figure in _round(stage, asked, number):
                rounds.setdefault(name, []).append(figure)
    return rounds


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it still work")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--peers", type=Path, help="the Python of an environment with the peers")
    parser.add_argument("--join", type=Path, nargs="+", help="measure nothing: show these files")
    parser.add_argument("--json", type=Path, help="write every round's figures here")
    parser.add_argument("--docs", type=Path, help="write the table between this page's marks")
    parser.add_argument("--mark", default="figures", help="what the page's marks say")
    return parser.parse_args()


def _round(stage: Stage, asked: argparse.Namespace, number: int) -> Sequence[tuple[str, float]]:
    """Everything once, with the floor before and after each: neighbours come and go."""
    figures: Figures = {}
    if number == 0:
        # Not used by a ratio: a look at how the server scales.
        for clients in CLIENTS:
            commits_per_second(stage.cluster, clients)
    for clients in CLIENTS:
        figures[f"commits_per_second_{clients}"] = commits_per_second(stage.cluster, clients)
    before = figures["commits_per_second_1"]
    for name in asked.only:
        found = asyncio.run(import_module(f"suite.{name}").measure(stage))
        after = commits_per_second(stage.cluster, 1)
        figures |= found | _ratios(found, (before + after) / 2)
        before = after
        print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
    if asked.peers is not None:
        figures |= peers.measure(stage, asked.peers, figures.get("many_steps_per_second"))
    return list(figures.items())


def _ratios(found: Figures, commits: float) -> Figures:
    return {
        f"{name}{table.RATIO}": figure / commits
        for name, figure in found.items()
        if name.endswith("_per_second") and name.startswith(("chain", "fan", "many", "large"))
    }


def _keep(asked: argparse.Namespace, rounds: dict[str, list[float]]) -> None:
    if asked.json is not None:
        kept = {"machine": table.machine(), "quick": asked.quick, "rounds": rounds}
        asked.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    if asked.docs is not None:
        mark = f"<!-- {asked.mark} -->"
        head, _old, tail = asked.docs.read_text(encoding="utf-8").split(mark)
        told = f"{table.machine()}.\n\n{table.markdown(rounds)}"
        page = f"{head}{mark}\n\n{told}\n{mark}{tail}"
        asked.docs.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
