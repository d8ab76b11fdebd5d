"""The first page that anybody reads: its flow loads, and its commands are there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from flowrunner.cli.main import cli, main

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_its_flow_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a newcomer copies can be run as it is."""
    (text,) = [text for kind, text in BLOCKS if kind == "python" and "flow = Flow(" in text]
    (tmp_path / "second_look.py").write_text(text, encoding="utf-8")

    code = main(["flows", "validate", str(tmp_path)])

    assert (code, "second-look: ok" in capsys.readouterr().out) == (0, True)


def test_its_commands_are_there() -> None:
    """Every command that it names exists, with the options that it is given."""
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    named = [line.partition("#")[0].split() for line in lines if line.startswith("flowrunner ")]

    assert len(named) >= 10
    for _program, name, *words in named:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        known = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= known, name


def test_its_links_lead_somewhere() -> None:
    """Files that it names are there."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[3] / target).exists(), target


def test_its_client_can_do_that() -> None:
    """The client's example calls what there is."""
    from flowrunner.client import Client, RunHandle  # noqa: PLC0415

    (text,) = [text for kind, text in BLOCKS if kind == "python" and "Client(" in text]
    called = set(re.findall(r"run\.(\w+)", text))

    assert called <= {name for name in dir(RunHandle) if not name.startswith("_")}
    assert set(re.findall(r"client\.(\w+)\(", text)) <= set(dir(Client))
