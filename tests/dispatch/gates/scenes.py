"""A hostile agent's surroundings, and how to say that a test is for every gate and user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatch.gates import stage
from flowrunner.dispatch.gates.gate import Gate

each_gate = pytest.mark.parametrize("name", stage.GATES)
each_user = pytest.mark.parametrize("user", stage.USERS)


@dataclass(frozen=True, slots=True)
class Scene:
    """A hostile agent's surroundings."""

    who: stage.Actor
    folder: Path
    project: Path
    nonce: str

    @property
    def outside(self) -> list[str]:
        return [str(self.folder), str(self.folder / "room"), *stage.SHARED]

    def plan(self, through: Gate, service: int, *, stays: bool = False) -> dict[str, object]:
        return {
            "project": str(self.project),
            "outside": self.outside,
            "rights": sorted(through.rights),
            "service": service,
            "mark": stage.MARK,
            "nonce": self.nonce,
            "stays": stays,
        }


def said_inside(scene: Scene, through: Gate, script: str) -> dict[str, Any]:
    argv = [scene.who.python, "-I", "-B", "-c", script]
    return stage.ended(stage.start_play(scene.who, through, argv, scene.folder))
