"""Pages that say of the project what is not so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.evidence.docs.pages import is_page
from flowrunner.evidence.docs.ranking import CATEGORY, CONSEQUENCES
from flowrunner.evidence.docs.statements import Kind

RULES = {
    kind: Rule(kind.value, severity, CATEGORY, why)
    for kind, (severity, why) in CONSEQUENCES.items()
}


def _finder(*kinds: Kind) -> Callable[[Source, Project], Iterator[Hit]]:
    def find(source: Source, project: Project) -> Iterator[Hit]:
        for said in project.documents.told(source.path):
            if said.kind in kinds and said.holds is False:
                yield Hit(RULES[said.kind], said.line, said.why)

    return find


def _is_page(source: Source) -> bool:
    return is_page(source.path) and not source.is_test and not source.is_generated


LINKS = Check("links", _is_page, _finder(Kind.LINK))
ANCHORS = Check("anchors", _is_page, _finder(Kind.ANCHOR))
COMMANDS = Check("files in commands", _is_page, _finder(Kind.FILE))
TARGETS = Check("make targets in documents", _is_page, _finder(Kind.TARGET))
USAGE = Check("commands and settings", _is_page, _finder(Kind.OPTION, Kind.COMMAND, Kind.VARIABLE))
NAMES = Check("names and paths", _is_page, _finder(Kind.NAME, Kind.PATH, Kind.VERSION))
EXAMPLES = Check("examples", _is_page, _finder(Kind.IMPORT, Kind.CODE))
DOCUMENTS = (LINKS, ANCHORS, COMMANDS, TARGETS, USAGE, NAMES, EXAMPLES)
