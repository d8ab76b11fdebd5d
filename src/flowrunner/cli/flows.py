"""`flows list|show|validate`: what can be launched, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from flowrunner.cli.connect import named_client, running_client
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.failures import line_of
from flowrunner.cli.shell import Shell, table, takes_shell
from flowrunner.cli.text import clean, span
from flowrunner.client import Client
from flowrunner.wire.flows import FlowDetail, FlowList, FlowRow, FlowStep

_COLUMNS = {"name": "FLOW", "steps": "STEPS", "bands": "BANDS", "title": "TITLE"}
_STEP_COLUMNS = {
    "step": "STEP",
    "kind": "KIND",
    "persona": "PERSONA",
    "needs": "NEEDS",
    "limits": "LIMITS",
    "when": "WHEN",
}


@click.group("flows", invoke_without_command=True)
@takes_shell
def command(shell: Shell) -> None:
    """List, show and validate flows."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        context.invoke(list_flows, server=shell.server)


@command.command("list")
@takes_shell
def list_flows(shell: Shell) -> None:
    """List every flow: the server's, or those that are found here."""
    client = _client(shell)
    if client is None:
        found = _found_here(shell)
    else:
        with client:
            found = client.list_flows()
    if shell.as_json:
        shell.answer(found.model_dump(mode="json"))
        return
    for line in table((_row(flow) for flow in found.items), _COLUMNS):
        shell.say(line)
    broken = [flow.name for flow in found.items if not flow.valid]
    if broken or found.problems:
        shell.tell("some cannot be used: flowrunner flows validate says why")


@command.command("show")
@click.argument("name")
@takes_shell
def show_flow(shell: Shell, *, name: str) -> None:
    """Show one flow: what it takes, and its steps."""
    client = _client(shell)
    if client is None:
        flow = _detail_here(shell, name)
    else:
        with client:
            flow = client.get_flow(name)
    if shell.as_json:
        shell.answer(flow.model_dump(mode="json"))
        return
    for line in _told(flow):
        shell.say(line)


@command.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@takes_shell
def validate(shell: Shell, *, paths: tuple[Path, ...]) -> None:
    """Check every flow that is found here, or those of the given folders and files."""
    found = _found_here(shell) if not paths else _found_in(paths)
    bad = [flow for flow in found.items if not flow.valid]
    if shell.as_json:
        shell.answer({**found.model_dump(mode="json"), "exit_code": _code(found)})
        raise click.exceptions.Exit(_code(found))
    for flow in found.items:
        if flow.valid:
            shell.say(clean(f"{flow.name}: ok ({flow.step_count} steps, {flow.file})"))
    for entry in [*(entry for flow in bad for entry in flow.problems), *found.problems]:
        for line in line_of(entry).splitlines():
            shell.say(clean(line))
    raise click.exceptions.Exit(_code(found))


def _code(found: FlowList) -> int:
    is_bad = found.problems or any(not flow.valid for flow in found.items)
    return int(Exit.INVALID if is_bad else Exit.OK)


def _client(shell: Shell) -> Client | None:
    return named_client(shell) if shell.server else running_client(shell)


def _found_here(shell: Shell) -> FlowList:
    from flowrunner.bootstrap import find_flows  # noqa: PLC0415  # it imports the whole service
    from flowrunner.cli.configure import configure  # noqa: PLC0415
    from flowrunner.service.catalogue import flow_list  # noqa: PLC0415

    return flow_list(find_flows(configure(shell)))


def _detail_here(shell: Shell, name: str) -> FlowDetail:
    from flowrunner.bootstrap import find_flows  # noqa: PLC0415
    from flowrunner.cli.configure import configure  # noqa: PLC0415
    from flowrunner.service.catalogue import get_flow_detail  # noqa: PLC0415

    return get_flow_detail(find_flows(configure(shell)), name)


def _found_in(paths: Sequence[Path]) -> FlowList:
    """A file's flow is judged among its neighbours, and shown alone."""
    from flowrunner.definitions.folders import shipped_folder  # noqa: PLC0415
    from flowrunner.definitions.library import Library  # noqa: PLC0415
    from flowrunner.service.catalogue import flow_list  # noqa: PLC0415

    wanted = [path.resolve() for path in paths]
    levels = [path if path.is_dir() and not _is_flow(path) else path.parent for path in wanted]
    # The shipped flows lend their personas; they are not what was asked for.
    found = flow_list(Library.discover([*levels, shipped_folder("flows")]))
    flows = tuple(flow for flow in found.items if _is_below(flow.file, wanted))
    problems = tuple(entry for entry in found.problems if _is_below(entry.file or "", levels))
    if not flows and not problems:
        listed = ", ".join(map(str, paths))
        raise CommandError(f"there is no flow in {listed}", Exit.NOT_FOUND, code="not-found")
    return FlowList(items=flows, problems=problems)


def _is_flow(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _is_below(file: str, places: Sequence[Path]) -> bool:
    return any(Path(file).is_relative_to(place) for place in places)


def _row(flow: FlowRow) -> dict[str, str]:
    title = flow.title if flow.valid else f"cannot be used: {len(flow.problems)} problems"
    return {
        "name": flow.name,
        "steps": str(flow.step_count) if flow.valid else "",
        "bands": ", ".join(flow.bands),
        "title": title,
    }


def _told(flow: FlowDetail) -> Iterator[str]:
    yield clean(f"{flow.name}: {flow.title}" if flow.title else flow.name)
    if flow.description:
        yield from map(clean, flow.description.strip().splitlines())
    yield ""
    yield f"bands    {', '.join(flow.bands)}"
    yield f"file     {clean(flow.file)}"
    yield f"hash     {flow.hash[:16]}"
    yield ""
    properties: dict[str, Any] = flow.input_schema.get("properties", {})
    required = flow.input_schema.get("required", [])
    rows = [_field(name, schema, required) for name, schema in properties.items()]
    if rows:
        yield from table(rows, {"name": "INPUT", "type": "TYPE", "default": "DEFAULT", "what": ""})
        yield ""
    yield from table(map(_step, flow.steps), _STEP_COLUMNS)


def _field(name: str, schema: dict[str, Any], required: Sequence[str]) -> dict[str, str]:
    kinds = [schema, *schema.get("anyOf", [])]
    kind = " | ".join(str(each["type"]) for each in kinds if "type" in each) or "object"
    default = "required" if name in required else str(schema.get("default", ""))
    return {
        "name": name,
        "type": kind,
        "default": default,
        "what": str(schema.get("description", "")),
    }


def _step(step: FlowStep) -> dict[str, str]:
    tries = f", {step.max_attempts} tries" if step.max_attempts > 1 else ""
    conditions = [
        *([f"band {', '.join(step.bands)}"] if step.bands else []),
        *(["gate"] if step.gated else []),
        *(["when"] if step.has_when else []),
    ]
    return {
        "step": step.key,
        "kind": step.kind,
        "persona": step.persona or "",
        "needs": ", ".join(step.needs),
        "limits": f"{span(step.timeout_seconds)}{tries}",
        "when": ", ".join(conditions),
    }
