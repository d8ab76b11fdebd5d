"""The operator's agents on this machine: wired, and looked at by a person or before a run (F68)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

from flowrunner.core.errors import Problem
from flowrunner.dispatch.adapters.installed import site_of
from flowrunner.dispatch.agents import (
    DEFAULT_AGENTS,
    Agent,
    CommandAgent,
    ModelAgent,
    Surroundings,
    parse_agents,
)
from flowrunner.dispatch.gates.detection import candidates
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.dispatch.gates.hiding import coverable, places_to_hide
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.preflight import Check, Topic, check_agent
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.rates import read_rates
from flowrunner.embedded.home import data_home
from flowrunner.service.preflight import Question
from flowrunner.settings import Settings, environment

_POINTERS: dict[Topic, str] = {"model": "/model"}


def make_kit(settings: Settings) -> Kit:
    """Read the operator's agents; nothing is started. Raises InvalidInputError."""
    own = environment()
    around, room = Surroundings.of(own), _room(settings)
    agents = {**DEFAULT_AGENTS, **parse_agents(settings.agents)}
    wall = Wall(
        settings.wall,
        room,
        around.path,
        gates=_gates(settings, around.path),
        hidden=_hidden(settings, own.get("HOME"), agents),
        ports=settings.agent_ports,
        # Who reaches the socket of our own database runs programs as it, outside of every gate.
        needs=(Right.HIDDEN,) if settings.database_url is None else (),
    )
    return Kit(
        around=around,
        room=room,
        agents=agents,
        limits=_limits(settings),
        wall=wall,
        site=site_of(settings.agents_dir),
        environment=own,
        leave_out=(_home(settings),),
        on_change=settings.on_change,
        rates=None if settings.rates is None else read_rates(settings.rates),
    )


def _limits(settings: Settings) -> ProcessLimits:
    """A silent worker's agents must be gone before its leases can end (P2)."""
    limits = ProcessLimits()
    longest = settings.lease_margin_seconds / 2
    return replace(limits, watchdog_seconds=min(limits.watchdog_seconds, longest))


def _room(settings: Settings) -> Path:
    """Where agents' private folders lie: never below /tmp, where projects may lie as well."""
    home = _home(settings)
    return home / "agents" if home.is_absolute() else Path(gettempdir()) / "flowrunner-agents"


def _hidden(settings: Settings, home: str | None, agents: Mapping[str, Agent]) -> tuple[Path, ...]:
    """Our data and our database's socket, keys of agents, and secrets of who runs us."""
    keys = [agent.api_key_file for agent in agents.values() if isinstance(agent, ModelAgent)]
    sockets = Path(gettempdir()).glob(f"flowrunner-{os.geteuid()}-*")
    own = (_home(settings).absolute(), *sockets, *filter(None, keys))
    places = places_to_hide(None if home is None else Path(home), own)
    programs = [agent.argv[0] for agent in agents.values() if isinstance(agent, CommandAgent)]
    needed = (settings.agents_dir, *filter(Path.is_absolute, map(Path, programs)))
    return tuple(map(Path, coverable(places, needed)))


def _home(settings: Settings) -> Path:
    return settings.data if settings.data is not None else data_home()


def _gates(settings: Settings, path: str) -> Sequence[Gate] | None:
    if settings.gates is None:
        return None
    allowed = set(settings.gates)
    return [gate for gate in candidates(path) if allowed.issuperset(gate.parts)]


def preflight_of(kit: Kit) -> Question:
    """Return what a launch asks: by agent, the model it wants instead, and the project."""

    async def ask(name: str, model: str | None, project: Path) -> list[Problem]:
        found = await check_agent(name, kit, project=project, model=model)
        return [_problem(name, each) for each in found if not each.is_well]

    return ask


async def gates_of(wall: Wall) -> list[tuple[str, bool, str]]:
    """Return each gate that this machine has or could have, whether it holds, and what was seen."""
    return [(result.gate.name, result.holds, result.told()) for result in await wall.detected()]


def _problem(name: str, found: Check) -> Problem:
    pointer = _POINTERS.get(found.topic, "/agent")
    code = found.code.replace("_", "-")
    return Problem(code, f"agent '{name}': {found.message}", pointer=pointer, hint=found.hint)
