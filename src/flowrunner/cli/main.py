"""The command line: options of all commands, and how each of them ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flowrunner import __version__
from flowrunner.cli.exits import Ending, Exit, ending_of
from flowrunner.cli.lazy import Late, LazyGroup
from flowrunner.cli.shell import Shell
from flowrunner.cli.streaming import ReaderLeftError, close_quietly, open_missing, readable

_COMMANDS = {
    "run": Late("flowrunner.cli.run", "Launch a flow and follow it to its end."),
    "ps": Late("flowrunner.cli.ps", "List runs, newest first."),
    "show": Late("flowrunner.cli.show", "Show one run with its steps."),
    "watch": Late("flowrunner.cli.watch", "Follow a run to its end."),
    "logs": Late("flowrunner.cli.logs", "Print what agents said while they worked."),
    "report": Late("flowrunner.cli.report", "Print a run's report."),
    "approvals": Late("flowrunner.cli.approvals", "List what people are asked."),
    "approve": Late("flowrunner.cli.decide", "Approve what a run asks.", "approve"),
    "reject": Late("flowrunner.cli.decide", "Reject what a run asks.", "reject"),
    "cancel": Late("flowrunner.cli.cancel", "Stop runs for good."),
    "pause": Late("flowrunner.cli.control", "Let nothing new begin in a run.", "pause"),
    "resume": Late("flowrunner.cli.control", "Let a paused run go on.", "resume"),
    "retry": Late("flowrunner.cli.control", "Begin an ended run anew.", "retry"),
    "rerun": Late("flowrunner.cli.rerun", "Launch a run once more, as a new run."),
    "stop": Late("flowrunner.cli.control", "Stop one step of a run.", "stop"),
    "diff": Late("flowrunner.cli.diff", "Compare two runs."),
    "flows": Late("flowrunner.cli.flows", "List, show and validate flows."),
    "agents": Late("flowrunner.cli.agents", "List and check the agents of this machine."),
    "test": Late("flowrunner.cli.test", "Play a flow with scripted agents."),
    "serve": Late("flowrunner.cli.serve", "Run the service until it is stopped."),
    "worker": Late("flowrunner.cli.worker", "Run agents for a service, here or elsewhere."),
    "workers": Late("flowrunner.cli.workers", "List who holds leases."),
    "db": Late("flowrunner.cli.db", "Upgrade, check and measure the database."),
    "check": Late("flowrunner.cli.check", "Check the invariants of every stored run."),
    "doctor": Late("flowrunner.cli.doctor", "Look for what would keep runs from working."),
    "completion": Late("flowrunner.cli.completion", "Print a shell's completion script."),
    "version": Late("flowrunner.cli.version", "Print the version."),
}


@click.group(
    cls=LazyGroup,
    late=_COMMANDS,
    also={"list": "ps", "ls": "ps"},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="flowrunner", message="%(prog)s %(version)s")
@click.option("--json", "as_json", is_flag=True, help="Answer with JSON on stdout.")
@click.option("--server", metavar="URL", envvar="FLOWRUNNER_SERVER", help="The server to ask.")
@click.option("--token", envvar="FLOWRUNNER_TOKEN", hidden=True)
@click.option("--data", envvar="FLOWRUNNER_DATA", hidden=True, type=click.Path(path_type=Path))
@click.option("--no-color", "no_color", is_flag=True, help="No colours; as NO_COLOR.")
@click.option("--no-color-variable", envvar="NO_COLOR", default="", hidden=True)
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="No progress, no hints.")
@click.option("-v", "--verbose", "is_verbose", is_flag=True, help="Log what happens.")
@click.pass_context
def cli(
    context: click.Context,
    *,
    as_json: bool,
    server: str | None,
    token: str | None,
    data: Path | None,
    no_color: bool,
    no_color_variable: str,
    is_quiet: bool,
    is_verbose: bool,
) -> None:
    """Run flows of coding agents over a code base, durably and read-only."""
    context.obj = Shell(
        server=server,
        token=token,
        data_home=data,
        as_json=as_json,
        is_quiet=is_quiet,
        is_verbose=is_verbose,
        wants_color=not (no_color or no_color_variable),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (docs/reference/cli.md)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    open_missing()
    try:
        code = cli.main(readable(given), prog_name="flowrunner", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _end(given, Ending(Exit.USAGE, "usage", error.format_message()), error)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except ReaderLeftError:
        close_quietly(sys.stdout)
        return Exit.OK
    except Exception as error:  # noqa: BLE001  # the outermost frame: every end has a number
        return _failed(given, error)
    return int(code or 0)


def _failed(given: Sequence[str], error: Exception) -> int:
    ending = ending_of(error)
    if ending is not None:
        return _end(given, ending)
    if "-v" in given or "--verbose" in given:
        raise error
    hint = "run it again with -v for the whole story"
    told = f"{type(error).__name__}: {error}"
    return _end(given, Ending(Exit.UNEXPECTED, "unexpected", told, hint=hint))


def _end(given: Sequence[str], ending: Ending, usage: click.ClickException | None = None) -> int:
    if "--json" in given:
        import json  # noqa: PLC0415

        click.echo(json.dumps(ending.to_json(), ensure_ascii=False))
        return int(ending.exit_code)
    if isinstance(usage, click.UsageError):
        usage.show()
        return int(ending.exit_code)
    for line in ending.lines():
        click.echo(line, err=True)
    return int(ending.exit_code)
