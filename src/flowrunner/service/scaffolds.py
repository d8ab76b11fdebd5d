"""A flow to begin with, in YAML or Python: it is valid, and runs without a model or a key."""

from __future__ import annotations

_YAML = """\
# yaml-language-server: $schema=flow.schema.json
# `flowrunner flows schema --yaml > flows/flow.schema.json` gives your editor its completion.
flow: {name}
title: {title}
inputs:
  focus:
    type: string
    enum: [correctness, security]
    default: correctness
    description: What to look for
steps:
  - id: look
    persona: structural-analyst
    agent: |
      Review this project for ${{input.focus}}. Report only what you can prove by a file and a line.
    output:
      type: object
      properties:
        findings: {{type: array, items: {{$ref: "#/types/finding"}}}}
      required: [findings]
    retry: 1
    timeout: 10m
report: {{from: look, format: findings}}
types:
  finding:
    type: object
    properties:
      title: {{type: string}}
      file: {{type: string}}
      line_start: {{type: integer}}
      severity: {{type: string}}
    required: [title, file, severity]
"""

_PYTHON = """\
from typing import Literal

from pydantic import BaseModel

from flowrunner import Context, Flow, Report, ReportContext, Step


class Asked(BaseModel):
    focus: Literal["correctness", "security"] = "correctness"


class Finding(BaseModel):
    title: str
    file: str
    line_start: int | None = None
    severity: str


class Findings(BaseModel):
    findings: list[Finding]


def look(ctx: Context) -> str:
    asked = ctx.given(Asked)
    return (
        f"Review this project for {{asked.focus}}. Report only what you can prove by a file and "
        "a line. Answer with JSON: an object with a list of findings."
    )


def render(ctx: ReportContext) -> Report:
    found = ctx.result("look", Findings)
    if found is None:
        told = "".join(f"- {{key}}: {{why}}\\n" for key, why in ctx.census.failed)
        return Report(f"# {title}\\n\\nThere is no result.\\n{{told}}", outcome="incomplete")
    rows = (f"- {{f.severity}} {{f.file}}:{{f.line_start}} {{f.title}}" for f in found.findings)
    markdown = "\\n".join(["# {title}", "", f"{{len(found.findings)}} findings", "", *rows])
    outcome = "findings" if found.findings else "clean"
    return Report(markdown, data=found.model_dump(), outcome=outcome)


flow = Flow(
    "{name}",
    title="{title}",
    input=Asked,
    steps=[
        Step(
            "look",
            persona="structural-analyst",
            run=look,
            output=Findings,
            retry=1,
            timeout="10m",
        ),
    ],
    render=render,
)
"""


def yaml_flow(name: str) -> str:
    """Return the text of `NAME.flow.yaml`."""
    return _YAML.format(name=name, title=_title(name))


def python_flow(name: str) -> str:
    """Return the text of `NAME.py`."""
    return _PYTHON.format(name=name, title=_title(name))


def _title(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()
