"""`flows validate` and `flows new`: flows as files, without any server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.text import clean
from flowrunner.wire.flows import FlowList
from flowrunner.wire.problems import ProblemEntry

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@takes_shell
def validate(shell: Shell, *, paths: tuple[Path, ...]) -> None:
    """Check every flow that is found here, or those of the given folders and files."""
    from flowrunner.cli.flows import found_here  # noqa: PLC0415  # it holds this command
    from flowrunner.service.catalogue import validation_of  # noqa: PLC0415

    found = found_here(shell) if not paths else _found_in(paths)
    entries = [*(entry for flow in found.items for entry in flow.problems), *found.problems]
    code = int(Exit.INVALID if entries else Exit.OK)
    if shell.as_json:
        told = validation_of(entries).model_dump(mode="json")
        shell.answer({**told, **found.model_dump(mode="json"), "exit_code": code})
        raise click.exceptions.Exit(code)
    for flow in found.items:
        if flow.valid:
            shell.say(clean(f"{flow.name}: ok ({flow.step_count} steps, {_near(flow.file)})"))
    for entry in entries:
        for line in _lines(entry):
            shell.say(clean(line))
    if entries:
        shell.tell(f"{len(entries)} error{'s' * (len(entries) > 1)}")
    raise click.exceptions.Exit(code)


@click.command("new")
@click.argument("name")
@click.option("--yaml", "is_yaml", is_flag=True, help="In YAML; else in Python.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("flows"), help="Where to put it."
)
@takes_shell
def new(shell: Shell, *, name: str, is_yaml: bool, folder: Path) -> None:
    """Begin a flow: a file that can be launched as it is."""
    from flowrunner.service.scaffolds import python_flow, yaml_flow  # noqa: PLC0415

    if not _NAME.match(name):
        hint = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter"
        raise CommandError(f"{name!r} cannot name a flow", Exit.USAGE, code="usage", hint=hint)
    file = folder / (f"{name}.flow.yaml" if is_yaml else f"{name.replace('-', '_')}.py")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as written:
            written.write(yaml_flow(name) if is_yaml else python_flow(name))
    except FileExistsError:
        hint = "choose another name, or remove the file"
        message = f"{file} is there already"
        raise CommandError(message, Exit.REFUSED, code="conflict", hint=hint) from None
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise CommandError(message, Exit.UNEXPECTED) from error
    if shell.as_json:
        shell.answer({"name": name, "file": str(file)})
        return
    shell.say(str(file))
    shell.tell(f"check it: flowrunner flows validate {file}")
    shell.tell(f"run it:   flowrunner run {name}")


def _found_in(paths: Sequence[Path]) -> FlowList:
    """A folder is a level, with whatever lies in it; a file is looked at alone."""
    found = [_found_at(path.resolve()) for path in paths]
    flows = {flow.file: flow for each in found for flow in each.items}
    problems = dict.fromkeys(entry for each in found for entry in each.problems)
    if not flows and not problems:
        listed = ", ".join(map(str, paths))
        raise CommandError(f"there is no flow in {listed}", Exit.NOT_FOUND, code="not-found")
    return FlowList(items=tuple(flows.values()), problems=tuple(problems))


def _found_at(path: Path) -> FlowList:
    from flowrunner.definitions.folders import shipped_folder  # noqa: PLC0415
    from flowrunner.definitions.library import Library  # noqa: PLC0415
    from flowrunner.definitions.sources import is_flow_file  # noqa: PLC0415
    from flowrunner.service.catalogue import flow_list  # noqa: PLC0415

    if (path / "__init__.py").is_file() or is_flow_file(path):
        return flow_list(Library.of_file(path))
    if path.is_file():
        return FlowList(items=())
    # The shipped flows lend their personas; they are not what was asked for.
    found = flow_list(Library.discover([path, shipped_folder("flows")]))
    return FlowList(
        items=tuple(flow for flow in found.items if Path(flow.file).is_relative_to(path)),
        problems=tuple(p for p in found.problems if Path(p.file or "").is_relative_to(path.parent)),
    )


def _near(file: str) -> str:
    """Name a file from here, where it is below."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _lines(entry: ProblemEntry) -> Iterator[str]:
    """As compilers and editors have it: file:line:column: code: message."""
    parts = (_near(entry.file) if entry.file else None, entry.line, entry.column)
    place = ":".join(str(part) for part in parts if part is not None)
    yield f"{place}: {entry.code}: {entry.message}"
    if entry.hint:
        yield f"    hint: {entry.hint}"
