"""From the tree of a YAML flow to the same `Flow` and `Step` that a Python flow makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.expression_types import Schema
from flowrunner.core.validation import MAX_PROBLEMS
from flowrunner.definitions.flow import BANDS, Approval, Each, Flow, Repeat, Retry, Step, keywords
from flowrunner.definitions.produces import Citations, Produces
from flowrunner.definitions.yaml.forms import Sheet
from flowrunner.definitions.yaml.nodes import (
    MapNode,
    Node,
    Place,
    ScalarNode,
    map_of,
    members_of,
    node_at,
    plain,
    text_at,
)
from flowrunner.definitions.yaml.reports import YamlReport, report_of
from flowrunner.definitions.yaml.scopes import Page, Reader, answer_of, result_of, roots_for
from flowrunner.definitions.yaml.shaping import Shapes
from flowrunner.definitions.yaml.speaking import (
    Checks,
    Condition,
    Delay,
    Files,
    Gate,
    MemberKey,
    Members,
    Speech,
    Spot,
)

_COPIED = (
    "persona", "label", "phase", "queue", "trigger", "on_fail", "on_skip",
    "timeout", "idle_timeout", "queue_timeout", "schema_in_prompt", "repairs",
)  # fmt: skip
_EACH = ("max_items", "overflow", "quorum", "parallel")
_REPEAT = ("at_most", "on_exhausted")
_APPROVAL = ("expires", "on_expiry", "remind", "on_reject", "redo_from", "max_redos")
_CITATIONS = ("file", "line", "line_end", "quote", "exact")


class Builder:
    """Builds one flow. What is wrong is told, and left at its default, so that all else is seen."""

    def __init__(self, root: MapNode, source: str, sheet: Sheet) -> None:
        self._root = root
        self._page = Page.of(sheet, source)
        self._shapes = Shapes(sheet, root.members.get("types"))
        bands = tuple(_texts(root.members.get("bands"))) or BANDS
        self._bands = bands
        self._roots: Mapping[str, Any] = roots_for(root, bands, self._shapes.definitions)
        self._known = frozenset(self._roots["steps"]["properties"])
        self._found: list[Problem] = []

    @property
    def problems(self) -> list[Problem]:
        return [*self._found, *self._shapes.problems]

    def flow(self) -> Flow:
        root = self._root
        steps = list(self._steps(members_of(root.members.get("steps"))))
        given: dict[str, Any] = {
            name: value
            for name in ("title", "description", "deadline", "siblings")
            if (value := _value(root, name)) is not None
        }
        made = Flow(
            text_at(root, "flow") or "unnamed",
            steps=steps,
            render=self._report(),
            input=self._shapes.model(root.members.get("inputs"), "input", is_input=True),
            bands=self._bands,
            **given,
        )
        return _placed(made, self._page.sheet.file, root.place)

    def _steps(self, nodes: Sequence[Node]) -> Iterator[Step]:
        """Yield the steps; after too many problems the rest is not looked at."""
        for node in filter(_named, nodes):
            if len(self._found) > MAX_PROBLEMS:
                return
            yield self._step(node)

    def _report(self) -> YamlReport:
        reader = Reader(self._page, self._roots, self._known)
        made = report_of(self._root.members.get("report"), reader, self._page.sheet, self._known)
        self._found += reader.problems
        return made

    def _step(self, node: Node) -> Step:
        assert isinstance(node, MapNode)  # noqa: S101  # asked before
        reader = Reader(self._page, self._roots, self._known)
        given: dict[str, Any] = {
            name: value for name in _COPIED if (value := _value(node, name)) is not None
        }
        name = text_at(node, "id") or ""
        if (output := node.members.get("output")) is not None:
            given["output"] = self._shapes.type_of(output, name)
        given |= self._control(node, reader)
        inner = reader.within(**self._inner(node, reader, given))
        given |= self._kind(node, name, inner)
        if (asked := node.members.get("produces")) is not None:
            given["produces"] = _produces(asked, node, inner)
        own = tuple(_texts(node.members.get("needs")))
        made = Step(
            name,
            needs=(*own, *(n for n in dict.fromkeys(reader.mentioned) if n not in own)),
            bands=tuple(_texts(node.members.get("bands"))),
            **given,
        )
        self._found += reader.problems
        return _placed(made, self._page.sheet.file, node.place)

    def _control(self, node: MapNode, reader: Reader) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if when := reader.whole(node.members.get("when"), "boolean"):
            given["when"] = Condition(when[0])
        gate = reader.only("input", "band").whole(node.members.get("gate"), "boolean")
        if gate:
            given["gate"] = Gate(gate[0])
        retry = node.members.get("retry")
        if isinstance(retry, MapNode):
            given["retry"] = Retry(**_options(retry, keywords(Retry)))
        elif retry is not None and isinstance(plain(retry), int):
            given["retry"] = plain(retry)
        return given

    def _inner(self, node: MapNode, reader: Reader, given: dict[str, Any]) -> dict[str, Schema]:
        """Read `each` and `repeat`; return what the step's text may name beside the rest."""
        roots: dict[str, Schema] = {}
        if "repeat" in node.members:
            roots |= {"previous": result_of(node), "iteration": {"type": "integer"}}
            until = reader.within(**roots).whole(node_at(node, "repeat", "until"), "boolean")
            if until:
                options = _options(node.members["repeat"], _REPEAT)
                given["repeat"] = Repeat(Condition(until[0]), **options)
        each = node.members.get("each")
        over = reader.whole(
            each if isinstance(each, ScalarNode) else node_at(each, "over"), "array"
        )
        if each is not None and over is not None:
            roots |= {"item": over[1].get("items", {}), "item_key": {"type": "string"}}
            key = reader.within(**roots).only("item").text(node_at(each, "key"))
            named = {"key": MemberKey(key)} if key else {}
            given["each"] = Each(Members(over[0]), **named, **_options(each, _EACH))
        elif each is not None:
            roots |= {"item": {}, "item_key": {}}
        return roots

    def _kind(self, node: MapNode, name: str, reader: Reader) -> dict[str, Any]:
        if "approval" in node.members:
            return self._approval(node.members["approval"], name, reader)
        if "wait" in node.members:
            wait = node.members["wait"]
            if "${" not in str(plain(wait)):
                return {"kind": "wait", "run": plain(wait)}
            spot = reader.whole(wait, "string")
            return {"kind": "wait", "run": Delay(spot[0]) if spot else "1s"}
        text = reader.text(node.members.get("agent"))
        return {"kind": "agent", "run": Speech(text or ("?",))}

    def _approval(self, node: Node, name: str, reader: Reader) -> dict[str, Any]:
        ask = node if isinstance(node, ScalarNode) else node_at(node, "ask")
        run = Speech(reader.text(ask) or ("?",), is_for_people=True)
        if not isinstance(node, MapNode):
            return {"kind": "approval", "run": run}
        options = _options(node, _APPROVAL)
        if "form" in node.members:
            options["form"] = self._shapes.model(node.members["form"], f"{name}_form")
        options["approvers"] = tuple(_texts(node.members.get("approvers")))
        return {"kind": "approval", "run": run, "approval": Approval(**options)}


def _produces(asked: Node, step: MapNode, reader: Reader) -> Produces:
    inner = reader.within(previous=answer_of(step))
    citations = node_at(asked, "citations")
    rules: list[tuple[Spot, str]] = []
    for rule in members_of(node_at(asked, "check")):
        that = inner.whole(node_at(rule, "that"), "boolean")
        if that is not None:
            rules.append((that[0], text_at(rule, "else") or "it does not hold"))
    files = tuple(
        pieces
        for each in members_of(node_at(asked, "files"))
        if (pieces := inner.text(each)) is not None
    )
    is_map = isinstance(citations, MapNode)
    return Produces(
        citations=Citations(**_options(citations, _CITATIONS))
        if is_map
        else bool(_value(asked, "citations")),
        files=Files(files) if files else (),
        check=Checks(tuple(rules)) if rules else None,
    )


def _named(node: Node) -> bool:
    return bool(text_at(node, "id"))


def _value(node: Node | None, name: str) -> Any:
    found = node_at(node, name)
    return found.value if isinstance(found, ScalarNode) else None


def _texts(node: Node | None) -> Iterator[str]:
    return (each for each in map(plain, members_of(node)) if isinstance(each, str))


def _options(node: Node, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: plain(each) for name, each in map_of(node).items() if name in names}


def _placed(made: Any, file: str, place: Place) -> Any:
    """A flow and its steps stand where the YAML says so, not where they were made."""
    object.__setattr__(made, "file", file)
    object.__setattr__(made, "line", place.line)
    return made
