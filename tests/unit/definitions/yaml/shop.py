"""YAML flows for tests, and contexts to try their functions in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from flowrunner.definitions.context import Context, Project, StepResult
from flowrunner.definitions.flow import Flow, Step
from flowrunner.definitions.yaml.loading import load_yaml

HUNT = """\
# yaml-language-server: $schema=https://example.org/flow.schema.json
flow: find-issues
title: Find issues
inputs:
  repo: {type: string, description: Path or URL}
  focus: {type: string, enum: [security, correctness], default: correctness}
  limit: {type: integer, minimum: 1, maximum: 20, default: 5}
steps:
  - id: scan
    agent: List up to ${input.limit} suspicious places in ${input.repo}, focus ${input.focus}.
    output: {type: array, items: {$ref: "#/types/place"}}
  - id: confirm
    each: {over: "${scan}", key: "${item.file}-${item.line}", quorum: 0.5}
    agent: Prove or refute ${item.file}:${item.line}
    output: {$ref: "#/types/finding"}
    retry: {max: 2}
  - id: ok
    approval: Send ${confirm.count} findings to the team?
    when: ${confirm.any(severity == 'high')}
report: {from: confirm, format: findings}
types:
  place:
    type: object
    properties: {file: {type: string}, line: {type: integer}}
    required: [file, line]
  finding:
    type: object
    properties:
      title: {type: string}
      file: {type: string}
      line: {type: integer}
      severity: {enum: [high, low]}
    required: [title, severity]
"""


def a_flow(text: str) -> Flow:
    """Load a flow that has no problems."""
    loaded = load_yaml(text, "x.flow.yaml", ["newcomer"])
    assert (loaded.problems, loaded.flow is None) == ((), False)
    assert loaded.flow is not None
    return loaded.flow


def steps_of(text: str) -> dict[str, Step]:
    """Load a flow, and return its steps by id."""
    return {step.id: step for step in a_flow(text).steps}


def a_step(step: str, *, rest: str = "") -> Step:
    """Return the step `s` of a flow that has `scan`, `odd` (tolerated) and `off` (gated) above."""
    text = f"""\
flow: x
inputs: {{name: {{type: string, default: me}}, maybe: {{type: string, nullable: true, default: null}}}}
steps:
  - {{id: scan, agent: hi, output: {{type: array, items: {{type: object}}}}}}
  - {{id: odd, agent: hi, on_fail: tolerate}}
  - {{id: off, agent: hi, gate: "${{band == 'large'}}"}}
  - id: s
    {step}
{rest}"""
    return steps_of(text)["s"]


class Given(BaseModel):
    """The input of `a_step`'s flow."""

    name: str = "me"
    maybe: str | None = None


def a_context(
    results: Mapping[str, object] | None = None,
    *,
    statuses: Mapping[str, str] | None = None,
    given: BaseModel | None = None,
    **more: Any,
) -> Context:
    """A context in which the steps of *results* have completed, and others as *statuses* say."""
    found = dict(results or {})
    ended = dict.fromkeys(found, "completed") | dict(statuses or {})
    return Context(
        run_id=UUID(int=1),
        input=given or Given(),
        band="small",
        project=Project(1, "p", Path("/p")),
        model=None,
        nonce="n0nce",
        results=found,
        outcomes={name: StepResult(name, status) for name, status in ended.items()},
        **more,
    )
