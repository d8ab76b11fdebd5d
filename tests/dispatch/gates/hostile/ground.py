"""What the hostile agent was told, and what its attacks have in common."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import TypedDict


class Plan(TypedDict):
    """Nothing is signalled or written to but what stands here."""

    project: str
    outside: list[str]
    rights: list[str]
    service: int
    mark: str
    nonce: str
    stays: bool


Act = Callable[[], None]

PLAN: Plan = json.loads(sys.argv[1])
PROJECT, OUTSIDE, SERVICE = PLAN["project"], PLAN["outside"], PLAN["service"]
HOME = os.environ["HOME"]
TRACKED = f"{PROJECT}/tracked.txt"
LIBC = ctypes.CDLL(None, use_errno=True)
ATTACKS: list[tuple[str, str, Act]] = []
LAST: list[tuple[str, str, Act]] = []
"""Those after which the others would find nothing to attack."""


def attack(right: str, among: list[tuple[str, str, Act]] = ATTACKS) -> Callable[[Act], Act]:
    """Count it among those that are tried when a gate claims *right*."""

    def known(act: Act) -> Act:
        among.append((right, getattr(act, "__name__", ""), act))
        return act

    return known


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def put(path: str, flags: int = os.O_WRONLY | os.O_CREAT) -> None:
    file = os.open(path, flags, 0o666)
    try:
        os.write(file, b"hostile\n")
    finally:
        os.close(file)


def mount(source: str, target: str, flags: int) -> None:
    checked(LIBC.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None))


def first_of(attempts: list[Act]) -> None:
    """Be content with the first that works."""
    for attempt in attempts:
        try:
            attempt()
        except OSError:
            continue
        return
    raise OSError("none")
