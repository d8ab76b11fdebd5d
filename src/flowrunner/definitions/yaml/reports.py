"""The report of a YAML flow: a step's result, a list of findings, or a template; never a clean lie.

What failed or did not run is in every report, and an outcome is only `clean` if all there was to
say could be said (P9).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from flowrunner.core.validation import suggest
from flowrunner.definitions.context import Report, ReportContext
from flowrunner.definitions.yaml.forms import Sheet
from flowrunner.definitions.yaml.nodes import Node, node_at, text_at
from flowrunner.definitions.yaml.scopes import Reader
from flowrunner.definitions.yaml.speaking import Spot, as_json, roots_of, shown

_COLUMNS = ("severity", "file", "line", "title")
_ALIASES = {"line": ("line", "line_start"), "title": ("title", "claim", "message", "summary")}


@dataclass(frozen=True, slots=True)
class YamlReport:
    """*source* is the step whose result is shown; *pieces* are those of the template."""

    source: str | None = None
    is_findings: bool = False
    pieces: tuple[str | Spot, ...] | None = None

    def __call__(self, context: ReportContext) -> Report:
        results = {name: as_json(value) for name, value in context.results.items()}
        body = self._body(context, results)
        data: dict[str, Any] = {"results": results}
        outcome = "incomplete" if _is_incomplete(context, self.source) else "completed"
        if self.is_findings:
            found = findings_in(results.get(self.source or ""))
            data["findings"] = found
            outcome = "findings" if found else outcome.replace("completed", "clean")
        return Report("\n".join([body, *_census(context)]), data=data, outcome=outcome)

    def _body(self, context: ReportContext, results: Mapping[str, object]) -> str:
        if self.pieces is not None:
            roots = roots_of(context)
            return "".join(p if isinstance(p, str) else _filled(p, roots) for p in self.pieces)
        if self.source is None:
            parts = [_section(name, value) for name, value in results.items()]
            return "\n\n".join([f"# {context.flow}", *parts])
        if self.source not in results:
            status = context.outcomes[self.source].status
            return f"# {context.flow}\n\nStep `{self.source}` is {status}: there is no result."
        value = results[self.source]
        if self.is_findings:
            return "\n".join([f"# {context.flow}", "", *_table(findings_in(value))])
        return value if isinstance(value, str) else _section(self.source, value)


def report_of(
    node: Node | None, reader: Reader, sheet: Sheet, known: Collection[str]
) -> YamlReport:
    """Read the `report` of a flow; without one, every step's result is a section."""
    source = text_at(node, "from") if node is not None else None
    if source is not None and source not in known:
        at = node_at(node, "from")
        message = f"the report is from step '{source}', but the flow has no such step"
        place = at.place if at is not None else None
        if place is not None:
            hint = suggest(source, known)
            reader.problems.append(sheet.problem(place, "unknown-step", message, hint))
    template = node_at(node, "template")
    given = text_at(node, "format") if node is not None else None
    return YamlReport(source, given == "findings", reader.text(template) if template else None)


def findings_in(value: object) -> list[dict[str, Any]]:
    """Find the findings of a result: a list of them, an object's `findings`, or lists of these."""
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, object]", value)
        return findings_in(inner["findings"]) if "findings" in inner else [dict(inner)]
    members = cast("list[object]", value) if isinstance(value, list) else []
    return [each for member in members for each in findings_in(member)]


def _is_incomplete(context: ReportContext, source: str | None) -> bool:
    census = context.census
    missing = source is not None and source not in context.results
    return context.partial or missing or bool(census.failed or census.cancelled)


def _filled(spot: Spot, roots: Mapping[str, object]) -> str:
    value = spot.value(roots)
    return "" if value is None else shown(value)


def _section(name: str, value: object) -> str:
    if isinstance(value, str):
        return f"## {name}\n\n{value}"
    return f"## {name}\n\n```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"


def _table(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"{len(findings)} finding{'s' * (len(findings) != 1)}."
    if not findings:
        return
    yield ""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{' --- |' * len(_COLUMNS)}"
    for finding in findings:
        yield f"| {' | '.join(_cell(finding, name) for name in _COLUMNS)} |"


def _cell(finding: Mapping[str, Any], column: str) -> str:
    names = _ALIASES.get(column, (column,))
    value = next((finding[name] for name in names if finding.get(name) is not None), "")
    return shown(value).replace("|", "\\|").replace("\n", " ")


def _census(context: ReportContext) -> Iterator[str]:
    census = context.census
    told = [
        *(f"- `{name}` failed: {why}" for name, why in census.failed),
        *(f"- `{name}` was skipped" for name in census.skipped),
        *(f"- `{name}` was left out: {why}" for name, why in census.excluded),
        *(f"- `{name}` was cancelled" for name in census.cancelled),
    ]
    if told:
        yield from ("", "## What did not run to its end", "", *told)
