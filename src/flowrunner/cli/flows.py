"""`flows list|show|graph|schema`: what can be launched; `validate` and `new` are beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import click

from flowrunner.cli import flow_files
from flowrunner.cli.connect import named_client, running_client
from flowrunner.cli.shell import Shell, table, takes_shell
from flowrunner.cli.text import clean, clean_text, span
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


Format: TypeAlias = Literal["text", "mermaid", "dot", "svg"]


@click.group("flows", invoke_without_command=True)
@takes_shell
def command(shell: Shell) -> None:
    """List, show, draw, validate and begin flows."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        context.invoke(list_flows, server=shell.server)


command.add_command(flow_files.validate)
command.add_command(flow_files.new)


@command.command("list")
@takes_shell
def list_flows(shell: Shell) -> None:
    """List every flow: the server's, or those that are found here."""
    client = _client(shell)
    if client is None:
        found = found_here(shell)
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
@click.option("--yaml", "is_yaml", is_flag=True, help="As YAML; of a Python flow, its outline.")
@takes_shell
def show_flow(shell: Shell, *, name: str, is_yaml: bool) -> None:
    """Show one flow: what it takes, and its steps."""
    flow = _detail(shell, name)
    if shell.as_json:
        shell.answer(flow.model_dump(mode="json"))
        return
    if is_yaml:
        from flowrunner.service.outlines import as_yaml  # noqa: PLC0415

        shell.say(clean_text(as_yaml(flow).rstrip("\n")))
        return
    for line in _told(flow):
        shell.say(line)


@command.command("graph")
@click.argument("name")
@click.option(
    "--format", "form", type=click.Choice(["text", "mermaid", "dot", "svg"]), default="text",
    help="What to draw it as.",
)  # fmt: skip
@takes_shell
def graph(shell: Shell, *, name: str, form: Format) -> None:
    """Draw a flow's graph."""
    from flowrunner.service.graphs import draw, graph_of  # noqa: PLC0415

    flow = _detail(shell, name)
    if shell.as_json:
        shell.answer(graph_of(flow).model_dump(mode="json"))
        return
    drawn = draw(flow, form)
    shell.say(clean_text(drawn))


@command.command("schema")
@click.argument("name", required=False)
@click.option("--yaml", "is_yaml", is_flag=True, help="The schema of YAML flows, for editors.")
@takes_shell
def schema(shell: Shell, *, name: str | None, is_yaml: bool) -> None:
    """Print the JSON Schema of a flow's input, or of YAML flows."""
    if (name is None) != is_yaml:
        raise click.UsageError("give a flow's name for its input's schema, or --yaml")
    if name is not None:
        shell.say(json.dumps(_detail(shell, name).input_schema, ensure_ascii=False, indent=2))
        return
    from flowrunner.definitions.yaml.grammar import flow_schema  # noqa: PLC0415

    shell.say(json.dumps(flow_schema(), ensure_ascii=False, indent=2))


def _detail(shell: Shell, name: str) -> FlowDetail:
    client = _client(shell)
    if client is None:
        return _detail_here(shell, name)
    with client:
        return client.get_flow(name)


def _client(shell: Shell) -> Client | None:
    return named_client(shell) if shell.server else running_client(shell)


def found_here(shell: Shell) -> FlowList:
    """Look for flows as a server would that is started here."""
    from flowrunner.bootstrap import find_flows  # noqa: PLC0415  # it imports the whole service
    from flowrunner.cli.configure import configure  # noqa: PLC0415
    from flowrunner.service.catalogue import flow_list  # noqa: PLC0415

    return flow_list(find_flows(configure(shell)))


def _detail_here(shell: Shell, name: str) -> FlowDetail:
    from flowrunner.bootstrap import find_flows  # noqa: PLC0415
    from flowrunner.cli.configure import configure  # noqa: PLC0415
    from flowrunner.service.catalogue import get_flow_detail  # noqa: PLC0415

    return get_flow_detail(find_flows(configure(shell)), name)


def _row(flow: FlowRow) -> dict[str, str]:
    found = len(flow.problems)
    title = flow.title if flow.valid else f"cannot be used: {found} problem{'s' * (found != 1)}"
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
