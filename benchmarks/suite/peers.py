"""Other Python engines at the same work, on the same server: optional, in their own environment.

`python -m venv peers && peers/bin/pip install -r benchmarks/peers/requirements.txt`, then
`make bench ARGS="--peers peers/bin/python"`. Each script prints its figures as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from flowrunner.embedded.binaries import find_binaries
from suite.stage import Figures, Stage

_FOLDER = Path(__file__).resolve().parents[1] / "peers"
_NAMES = ("pgqueuer", "procrastinate", "dbos", "absurd", "langgraph")
_SECONDS = 600


def measure(stage: Stage, python: Path, ours: float | None) -> Figures:
    """What each peer reaches that can be run; the ratio of our many runs to the best of theirs."""
    figures: Figures = {}
    for name in _NAMES:
        for figure, value in _one(stage, python, name).items():
            figures[f"peer_{name}_{figure}"] = value
    many = [value for name, value in figures.items() if name.endswith("_many_steps_per_second")]
    if many and ours is not None:
        figures["many_to_best_peer"] = ours / max(many)
    return figures


def _one(stage: Stage, python: Path, name: str) -> Figures:
    database = f"peer_{name}"
    stage.cluster.create_database(database)
    try:
        address = stage.cluster.address("admin", database)
        command = [str(python), str(_FOLDER / f"run_{name}.py"), address]
        command += [str(stage.size(400, 100)), str(stage.size(1_000, 100))]
        # One of them sets its tables up with psql: that of the server that is measured.
        env = {**os.environ, "PATH": f"{find_binaries().bindir}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(  # noqa: S603
            command, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"{name}: not done within {_SECONDS} s", file=sys.stderr)
        return {}
    finally:
        stage.cluster.drop_database(database)
    if done.returncode:
        print(f"{name}: {done.stderr.strip()[-2000:]}", file=sys.stderr)
        return {}
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found
