"""`flows` commands on files, without any server: validate, new, schema, graph, show."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from flowrunner.cli.main import main
from flowrunner.definitions.yaml.grammar import flow_schema
from integration.doors.commands import Done

WRONG = """\
flow: hunt
steps:
  - id: scan
    agnt: look
  - id: judge
    agent: ${scna}
"""

Ask = Callable[..., Done]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a command in this process, in a folder of its own, where no server is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWRUNNER_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FLOWRUNNER_SERVER", "FLOWRUNNER_FLOWS", "FLOWRUNNER_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        return Done(code, out.getvalue(), err.getvalue())

    return run


def test_validate_tells_every_problem_with_its_place(ask: Ask, tmp_path: Path) -> None:
    """F4, D2-26: file:line:column, code, message and hint; exit 10."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/hunt.flow.yaml").write_text(WRONG, encoding="utf-8")

    done = ask("flows", "validate", "flows/hunt.flow.yaml")

    assert done.out.splitlines() == [
        "flows/hunt.flow.yaml:4:5: unknown-key: a step has no key 'agnt'",
        "    hint: did you mean 'agent'?",
        "flows/hunt.flow.yaml:6:14: unknown-dependency: the flow has no step 'scna'",
        "    hint: did you mean 'scan'?",
    ]
    assert (done.code, done.err) == (10, "2 errors\n")


def test_validate_speaks_json_in_one_shape(ask: Ask, tmp_path: Path) -> None:
    """F4: machines get file, line, column, code, message and hint of each error."""
    (tmp_path / "x.flow.yaml").write_text(WRONG, encoding="utf-8")

    done = ask("flows", "validate", "x.flow.yaml", "--json")

    assert (done.code, done.json["exit_code"], done.json["valid"]) == (10, 10, False)
    assert done.json["errors"][0] == {
        "file": str(tmp_path / "x.flow.yaml"), "line": 4, "column": 5, "code": "unknown-key",
        "message": "a step has no key 'agnt'", "hint": "did you mean 'agent'?",
    }  # fmt: skip
    assert len(done.json["errors"]) == 2


def test_validating_a_file_runs_nothing_beside_it(ask: Ask, tmp_path: Path) -> None:
    """F21: whoever asks for one file does not ask for the scripts that lie next to it."""
    (tmp_path / "x.flow.yaml").write_text("flow: x\nsteps: [{id: a, agent: hi}]\n", "utf-8")
    (tmp_path / "script.py").write_text("raise SystemExit('ran')\n", encoding="utf-8")

    done = ask("flows", "validate", "x.flow.yaml")

    assert (done.code, done.out) == (0, "x: ok (1 steps, x.flow.yaml)\n")


def test_a_path_without_a_flow_is_not_found(ask: Ask, tmp_path: Path) -> None:
    """F4: nothing checked is not the same as nothing wrong."""
    (tmp_path / "notes.yaml").write_text("a: 1\n", encoding="utf-8")

    assert ask("flows", "validate", "notes.yaml").code == 6


@pytest.mark.parametrize(
    ("options", "file"),
    [((), "new_one.py"), (("--yaml",), "new-one.flow.yaml")],
    ids=["py", "yaml"],
)
def test_a_new_flow_is_valid(ask: Ask, options: tuple[str, ...], file: str) -> None:
    """F4: the scaffold passes the checks as it is, and is never written over another file."""
    made = ask("flows", "new", "new-one", *options)
    checked = ask("flows", "validate", "flows")
    again = ask("flows", "new", "new-one", *options)

    assert (made.code, made.out) == (0, f"flows/{file}\n")
    assert (checked.code, checked.out) == (0, f"new-one: ok (1 steps, flows/{file})\n")
    assert (again.code, again.err.splitlines()[0]) == (7, f"error: flows/{file} is there already")


def test_a_name_that_cannot_be_is_refused(ask: Ask, tmp_path: Path) -> None:
    """A name is no path."""
    done = ask("flows", "new", "../evil")

    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_schema_of_yaml_flows_is_printed(ask: Ask) -> None:
    """F1: editors take it from the program that will read the file."""
    assert json.loads(ask("flows", "schema", "--yaml").out) == flow_schema()


def test_the_schema_of_an_input_is_printed(ask: Ask) -> None:
    """F6: what a launch of one flow takes."""
    ask("flows", "new", "hunt", "--yaml", "-q")

    shown = json.loads(ask("flows", "schema", "hunt").out)

    assert shown["properties"]["focus"]["enum"] == ["correctness", "security"]
    assert ask("flows", "schema").code == 2


def test_a_graph_is_drawn_in_four_formats(ask: Ask) -> None:
    """U7: text, Mermaid, DOT and SVG of the same graph; JSON with places."""
    text = ask("flows", "graph", "code-review").out
    drawn = {
        form: ask("flows", "graph", "code-review", "--format", form).out
        for form in ("mermaid", "dot", "svg")
    }

    assert text.startswith("scope (code)\n")
    starts = {"mermaid": "flowchart LR", "dot": "digraph flow {", "svg": "<svg "}
    assert {form: out[: len(starts[form])] for form, out in drawn.items()} == starts
    graph = ask("flows", "graph", "code-review", "--json").json
    assert graph["nodes"][0] == {"key": "scope", "note": "code", "phase": None, "column": 0, "row": 0} | {
        "phase": graph["nodes"][0]["phase"]
    }  # fmt: skip


def test_a_flow_is_shown_as_yaml(ask: Ask, tmp_path: Path) -> None:
    """F1: a YAML flow's own text; the outline of one in Python says that it is one."""
    ask("flows", "new", "hunt", "--yaml", "-q")

    shown = ask("flows", "show", "hunt", "--yaml").out
    outline = ask("flows", "show", "code-review", "--yaml").out

    assert shown == (tmp_path / "flows/hunt.flow.yaml").read_text(encoding="utf-8")
    assert outline.startswith("# An outline: this flow is written in Python (")
    assert 'flow: "code-review"' in outline
    assert '  - id: "scope"\n    code: (a function)' in outline


def test_listing_runs_no_step(ask: Ask, tmp_path: Path) -> None:
    """F21: a YAML flow cannot run when it is listed: there is nothing in it that could."""
    (tmp_path / "flows").mkdir()
    evil = "flow: evil\nsteps: [{id: a, agent: \"${__import__('os').system('touch ran')}\"}]\n"
    (tmp_path / "flows/evil.flow.yaml").write_text(evil, encoding="utf-8")

    listed = ask("flows", "list", "--json").json

    (flow,) = [flow for flow in listed["items"] if flow["name"] == "evil"]
    assert flow["problems"][0]["code"] == "bad-expression"
    assert not (tmp_path / "ran").exists()
