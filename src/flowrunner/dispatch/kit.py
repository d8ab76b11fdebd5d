"""All that running agents needs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.dispatch.adapters.adapter import Site
from flowrunner.dispatch.adapters.installed import site_of
from flowrunner.dispatch.agents import DEFAULT_AGENTS, Agent, Surroundings
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.dispatch.gates.watch import OnChange
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.rates import RateTable
from flowrunner.dispatch.transcripts import TranscriptLimits

NOWHERE = site_of(Path("/nonexistent"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """*room* holds the private folders of tasks.

    Without a *wall* nothing is gated and nothing is looked at. *environment* is ours: keys may lie
    in it, and no agent gets to see it. *leave_out* are folders that others may write in projects.
    """

    around: Surroundings
    room: Path
    agents: Mapping[str, Agent] = field(default_factory=lambda: DEFAULT_AGENTS)
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    transcripts: TranscriptLimits = field(default_factory=TranscriptLimits)
    wall: Wall | None = None
    site: Site = NOWHERE
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    leave_out: tuple[Path, ...] = ()
    on_change: OnChange = "fail"
    rates: RateTable | None = None
