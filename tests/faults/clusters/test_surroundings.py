"""What these tests do to machines is what they say, and nothing is left of it."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from chaos.waiting import until
from faults.clusters.clocks import WallClock, why_no_clocks
from faults.clusters.disks import a_disc, why_no_discs
from faults.clusters.hosts import Host, a_network, run_quietly, why_no_namespaces

T = TypeVar("T")

TELL = "import time; print(time.time(), time.monotonic())"


def on(host: Host, act: Callable[[], T]) -> T:
    """What *act* answers in a thread that lives on *host*."""
    answers: list[T] = []

    def work() -> None:
        host.enter()
        answers.append(act())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.skipif(why_no_namespaces() is not None, reason=f"{why_no_namespaces()}")
def test_a_cut_host_is_silent_and_comes_back() -> None:
    """P3: nothing is refused and nothing arrives; after the block no host is left."""
    with a_network("a", "b", port=7070) as network:
        here, there = network.hosts["a"], network.hosts["b"]
        with on(there, lambda: socket.create_server((there.address, there.port))):

            def is_reached() -> bool:
                try:
                    socket.create_connection((there.address, there.port), 0.3).close()
                except TimeoutError:
                    return False
                return True

            until(lambda: on(here, is_reached))
            network.cut(there)
            assert [on(here, is_reached) for _ in range(3)] == [False] * 3
            network.heal(there)
            until(lambda: on(here, is_reached))
    assert network.hub not in run_quietly("ip", "netns", "list").split()


@pytest.mark.skipif(why_no_discs() is not None, reason=f"{why_no_discs()}")
def test_a_small_disc_fills(tmp_path: Path) -> None:
    """P3: what is full takes nothing more, and everything again once there is room."""
    with a_disc(tmp_path / "disc", 2) as disc:
        disc.fill()
        with pytest.raises(OSError, match="No space left") as told:
            (disc.place / "more").write_bytes(b"x" * 10_000)
        disc.make_room()
        (disc.place / "more").write_bytes(b"x" * 10_000)
    assert told.value.errno == errno.ENOSPC
    assert not (tmp_path / "disc" / "more").exists()


@pytest.mark.skipif(why_no_clocks() is not None, reason=f"{why_no_clocks()}")
def test_a_clock_steps_and_the_steady_one_does_not(tmp_path: Path) -> None:
    """L11: the time of day is off by what the file says; seconds pass as they do."""
    clock = WallClock(tmp_path / "clock")
    environment = clock.environment()
    clock.step(3600)
    told = subprocess.run(
        [sys.executable, "-c", TELL], env=environment, capture_output=True, text=True, check=True
    )
    real = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    wall, steady = map(float, told.stdout.split())
    off = datetime.fromtimestamp(wall, UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < off < timedelta(minutes=61)
    assert 0 <= float(real.stdout.split()[1]) - steady < 60
