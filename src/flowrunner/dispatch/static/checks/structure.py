"""What stands out in how the project's files hang together."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.evidence.structure.ranking import CATEGORY, CONSEQUENCES

RULES = {
    kind: Rule(kind, severity, CATEGORY, why) for kind, (severity, why) in CONSEQUENCES.items()
}


def find_structure(source: Source, project: Project) -> Iterator[Hit]:
    """Yield the faults that have their place in this file; the whole project was looked at."""
    for fault in project.faults.get(source.path, ()):
        rule = RULES[fault.kind]
        yield Hit(rule, fault.line, fault.title, None, fault.suggestion, fault.told)


def _may_have(source: Source) -> bool:
    return not source.is_test and not source.is_docs and not source.is_generated


STRUCTURE = Check("structure", _may_have, find_structure)
