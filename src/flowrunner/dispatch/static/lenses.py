"""What each persona looks at when no model is there to look for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowrunner.dispatch.static.checks import (
    assertions,
    control_flow,
    deployment,
    leaks,
    prose,
    size,
    sql,
    structure,
    syntax,
    text,
)
from flowrunner.dispatch.static.rules import behaviour, correctness, security, shape
from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check

PREFIX_OF_RUFF, PREFIX_OF_OURS = "ruff/", "flowrunner/"


@dataclass(frozen=True, slots=True)
class Lens:
    """*rules* are ruff's; *checks* are ours and bring their own."""

    name: str
    rules: tuple[Rule, ...]
    checks: tuple[Check, ...]


_PLAIN = (text.CONFLICTS, text.BYTES, syntax.JSON, syntax.TOML)
_SYNTAX = tuple(rule for rule in correctness.RULES if rule.code == "syntax-error")
_HOLES = (leaks.LEAKS, text.DECEIVING, deployment.INJECTIONS, deployment.FOREIGN)
_SUPPLY = (deployment.BRANCHES, deployment.DOWNLOADS)
_FLOW = (control_flow.DEAD, control_flow.HANDLERS, control_flow.AWAITS)
_SHAPE = (structure.STRUCTURE, size.FUNCTIONS, size.MODULES)
_SQL = tuple(rule for rule in security.RULES if rule.code in {"S608", "S611", "S301", "S302"})
_ALARMS = tuple(rule for rule in behaviour.RESILIENCE if rule.code in {"E722", "S110", "B012"})

GENERAL = Lens("general", _SYNTAX, (*_PLAIN, leaks.LEAKS))
"""For a persona without a lens of its own: what is wrong whoever looks."""

_LENSES = (
    Lens("security-adversary", security.RULES, (*_HOLES, *_SUPPLY)),
    Lens("behavioural-analyst", correctness.RULES, (*_PLAIN, *_FLOW)),
    Lens("newcomer", (*_SYNTAX, *shape.READING), (*_PLAIN, size.PURPOSE)),
    Lens("test-engineer", (*shape.TESTING, *correctness.CERTAIN), (assertions.IDLE,)),
    Lens("edge-case-explorer", behaviour.RESILIENCE, (control_flow.HANDLERS,)),
    Lens("structural-analyst", shape.SHAPE, _SHAPE),
    Lens("software-architect", shape.SHAPE, _SHAPE),
    Lens("system-architect", shape.SHAPE, _SHAPE),
    Lens("concurrency-analyst", behaviour.CONCURRENCY, (control_flow.AWAITS, control_flow.LOCKS)),
    Lens("data-engineer", (*behaviour.STORAGE, *_SQL), (sql.CHANGES,)),
    Lens(
        "operations-engineer",
        shape.RELEASE,
        (*_PLAIN, *_SUPPLY, deployment.INJECTIONS, deployment.IMAGES, deployment.PRIVILEGES),
    ),
    Lens("on-call-engineer", (*behaviour.LOGGING, *_ALARMS), ()),
    Lens("documentation-auditor", (), (*prose.DOCUMENTS, text.CONFLICTS)),
    Lens("gap-analyst", shape.TESTING, (assertions.IDLE,)),
    Lens(
        "risk-analyst",
        (*security.RULES, *correctness.CERTAIN),
        (*_HOLES, *_SUPPLY, *_FLOW),
    ),
    Lens("evidence-investigator", correctness.RULES, (*_PLAIN, *_FLOW)),
    Lens("codebase-explorer", correctness.CERTAIN, _PLAIN),
)
LENSES: Mapping[str, Lens] = {lens.name: lens for lens in _LENSES}


def lens_of(persona: str | None) -> Lens:
    """Return the persona's lens, or the general one."""
    return LENSES.get(persona or "", GENERAL)
