"""`agents list|check`: which agents there are, and whether they could work here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from flowrunner.bootstrap.agents import gates_of, make_kit
from flowrunner.cli.configure import configure
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.tables import table
from flowrunner.cli.text import clean
from flowrunner.dispatch.agents import Agent, CommandAgent, ModelAgent
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.preflight import Check, call_agent, check_agent

_COLUMNS = {
    "name": "AGENT",
    "kind": "KIND",
    "model": "MODEL",
    "provider": "PROVIDER",
    "state": "STATE",
}


@click.group("agents")
def command() -> None:
    """Look at the agents that workers of this machine may run; see FLOWRUNNER_AGENTS."""


@command.command("list")
@takes_shell
def list_agents(shell: Shell) -> None:
    """List them, and whether each is installed and has its key."""
    settings = configure(shell)
    kit = make_kit(settings)
    found = asyncio.run(_looked_at(kit, sorted(kit.agents)))
    rows = [_row(name, kit.agents[name], checks) for name, checks in found.items()]
    if shell.as_json:
        shell.answer({"items": [{**row, "default": row["name"] == settings.agent} for row in rows]})
        return
    for line in table(rows, _COLUMNS):
        shell.say(line)
    shell.tell(f"runs get '{settings.agent}' unless they name another")


@command.command("check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the gate is tried; default: this folder.",
)
@click.option("--call", "calls", is_flag=True, help="Ask each for one word. Costs some tokens.")
@takes_shell
def check(shell: Shell, *, names: tuple[str, ...], project: Path, calls: bool) -> None:
    """Look at all that agents need: program, version, key, gate. Exit with 1 if one lacks it."""
    kit = make_kit(configure(shell))
    if unknown := sorted(set(names) - kit.agents.keys()):
        known = "known: " + ", ".join(sorted(kit.agents))
        message = f"there is no agent {', '.join(repr(name) for name in unknown)}"
        raise CommandError(message, Exit.NOT_FOUND, code="unknown-agent", hint=known)
    chosen = list(dict.fromkeys(names)) or sorted(kit.agents)
    found = asyncio.run(_checked(kit, chosen, project.resolve(), calls=calls))
    is_well = all(each.is_well for checks in found.values() for each in checks)
    code = int(Exit.OK if is_well else Exit.UNEXPECTED)
    if shell.as_json:
        agents = {name: [asdict(each) for each in checks] for name, checks in found.items()}
        gates = [
            {"gate": gate, "holds": holds, "told": told}
            for gate, holds, told in asyncio.run(_gates(kit))
        ]
        shell.answer({"agents": agents, "gates": gates, "exit_code": code})
    else:
        _tell(shell, kit, found)
    raise click.exceptions.Exit(code)


def _tell(shell: Shell, kit: Kit, found: dict[str, list[Check]]) -> None:
    for name, checks in found.items():
        shell.say(clean(f"{name} ({kit.agents[name].kind})"))
        for each in checks:
            mark = "ok     " if each.is_well else "PROBLEM"
            code = f" ({each.code})" if each.code else ""
            shell.say(clean(f"  {mark} {each.topic}: {each.message}{code}"))
            if each.hint:
                shell.say(clean(f"          hint: {each.hint}"))
    shell.say("gates of this machine, the best first")
    for gate, holds, told in asyncio.run(_gates(kit)):
        shell.say(clean(f"  {'ok     ' if holds else 'none   '} {gate}: {told}"))


async def _looked_at(kit: Kit, names: Sequence[str]) -> dict[str, list[Check]]:
    return {name: await check_agent(name, kit) for name in names}


async def _checked(
    kit: Kit, names: Sequence[str], project: Path, *, calls: bool
) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = {}
    for name in names:
        found[name] = await check_agent(name, kit, project=project)
        if calls and all(each.is_well for each in found[name]):
            found[name].append(await call_agent(name, kit))
    return found


async def _gates(kit: Kit) -> list[tuple[str, bool, str]]:
    return [] if kit.wall is None else await gates_of(kit.wall)


def _row(name: str, agent: Agent, checks: Sequence[Check]) -> dict[str, str]:
    problems = [each for each in checks if not each.is_well]
    model = agent.model if isinstance(agent, ModelAgent) else None
    provider = (agent.provider or name) if isinstance(agent, ModelAgent) else ""
    well = " ".join(agent.argv) if isinstance(agent, CommandAgent) else checks[0].message
    told = f"{problems[0].message} ({problems[0].code})" if problems else well
    return {
        "name": name,
        "kind": agent.kind,
        "model": model or "",
        "provider": provider,
        "state": told,
    }
