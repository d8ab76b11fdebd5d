"""One decorated function becomes one step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, cast

from flowrunner.core.errors import Problem
from flowrunner.definitions.arguments import Taker, converted
from flowrunner.definitions.authoring import Part
from flowrunner.definitions.binding import Bound, Reader, Special, bind
from flowrunner.definitions.context import Context, Project
from flowrunner.definitions.fitting import member_of, named, or_none
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Step, placed
from flowrunner.definitions.parameters import returned_by
from flowrunner.definitions.producing import output_of, wrong_return
from flowrunner.definitions.scope import Scope
from flowrunner.definitions.shapes import as_sequence

_OWN = frozenset({"name", "needs", "when", "gate", "each", "key", "repeat", "output"})
_APPROVAL = frozenset(option.name for option in fields(Approval))
_STEP = frozenset(option.name for option in fields(Step) if option.init)


def _itself(context: object) -> object:
    return context


@dataclass(slots=True)
class Writing:
    """The making of one step; *problems* collects what is found on the way."""

    part: Part
    flow: Flow
    scope: Scope
    problems: list[Problem]
    needs: list[str] = field(default_factory=list[str])

    def step(self) -> Step:
        """Return the step, as good as it can be made: the checks then look at it as at any."""
        options = self.part.options
        self.problems += wrong_return(self.part)
        made = Step(
            cast("str", self.part.id),
            cast("Any", self.part.kind),
            run=self._run(),
            when=self._bound("when of ", options.get("when"), self._common()),
            gate=self._gate(),
            each=self._each(),
            repeat=self._repeat(),
            output=output_of(self.part),
            approval=self._approval(),
            **self._others(),
        )
        made = replace(made, needs=self._needs())
        return placed(made, self.part.file, self.part.line)

    @property
    def _who(self) -> str:
        return f"step '{self.part.id}'"

    def _others(self) -> dict[str, Any]:
        """Return what needs no reading; an unknown option has been told already."""
        kept = (_STEP - _OWN).intersection(self.part.options)
        return {name: self.part.options[name] for name in sorted(kept)}

    def _common(self) -> dict[str, Special]:
        return {
            "input": Special(attrgetter("input"), self.flow.input, "the flow's input"),
            "ctx": Special(_itself),
        }

    def _rounds(self, previous: object) -> dict[str, Special]:
        if self.part.options.get("repeat") is None:
            return {}
        output = output_of(self.part)
        taker = _converting(attrgetter("previous"), Any if output is None else output)
        return {
            "previous": Special(taker, previous, "the iteration before it"),
            "iteration": Special(attrgetter("iteration"), int, "a repeat"),
        }

    def _bound(
        self,
        what: str,
        function: object,
        special: dict[str, Special],
        leading: Special | None = None,
    ) -> Any:
        part = self.part
        reader = Reader(f"{what}{self._who}", part.file, part.line, special, self.scope, leading)
        return self._kept(bind(function, reader))

    def _kept(self, found: Bound) -> Any:
        self.needs += found.needs
        self.problems += found.problems
        return found.call

    def _run(self) -> Any:
        special = {**self._common(), **self._rounds(or_none(self._answer()))}
        return self._bound("", self.part.function, special, self._member())

    def _answer(self) -> object:
        output = output_of(self.part)
        if output is not None:
            return output
        return str if self.part.kind == "agent" else Any

    def _gate(self) -> Any:
        gate = self.part.options.get("gate")
        special = {
            "input": Special(attrgetter("input"), self.flow.input, "the flow's input"),
            "band": Special(attrgetter("band"), str, "a launch"),
            "project": Special(attrgetter("project"), Project, "a launch"),
            "launch": Special(_itself),
        }
        who = f"gate of {self._who}"
        return self._kept(bind(gate, Reader(who, self.part.file, self.part.line, special)))

    def _member(self) -> Special | None:
        given = self.part.options.get("each")
        if given is None:
            return None
        over = given.over if isinstance(given, Each) else given
        producer = self.scope.refer(over)
        if producer is not None:
            member, source = member_of(producer.gives), str(producer)
        else:
            member, source = _returned_member(over), "what each= goes over"
        gives = Any if member is None else member
        return Special(_converting(attrgetter("item"), gives), gives, f"a member of {source}")

    def _each(self) -> Any:
        given, key = self.part.options.get("each"), self.part.options.get("key")
        if given is None:
            if key is not None:
                self._complain("bad-each", "key= means nothing without each=")
            return None
        each = given if isinstance(given, Each) else Each(cast("Any", given))
        if key is not None:
            each = replace(each, key=cast("Callable[[Any], str]", key))
        return replace(each, over=self._over(each.over))

    def _over(self, over: object) -> Any:
        producer = self.scope.refer(over)
        if producer is None and isinstance(over, str):
            self._unknown(over)
            # An id that is nobody's would be told a second time.
            return _nothing
        if producer is None:
            return self._bound("each of ", over, self._common())
        if member_of(producer.gives) is None:
            message = f"goes over {producer}, which gives {named(producer.gives)} and no list"
            self._complain("bad-each", message, joined=" ")
        return producer.id

    def _repeat(self) -> Any:
        given = self.part.options.get("repeat")
        if not isinstance(given, Repeat):
            return given
        special = {**self._common(), **self._rounds(self._answer())}
        return replace(given, until=self._bound("until of ", given.until, special))

    def _approval(self) -> Approval | None:
        if self.part.kind != "approval":
            return None
        given: dict[str, Any] = {
            name: value for name, value in self.part.options.items() if name in _APPROVAL
        }
        back = given.get("redo_from")
        if callable(back):
            given["redo_from"] = self._referred(back)
        return Approval(**given)

    def _needs(self) -> Any:
        given = self.part.options.get("needs", ())
        listed = as_sequence(given)
        if listed is None:
            return given
        named_here = [key for step in listed if (key := self._referred(step)) is not None]
        over = self.scope.refer(getattr(self._given_each(), "over", self._given_each()))
        return self.scope.in_order([*named_here, *self.needs, *([over.id] if over else [])])

    def _given_each(self) -> object:
        return self.part.options.get("each")

    def _referred(self, step: object) -> str | None:
        found = self.scope.refer(step)
        if found is None:
            self._unknown(step if isinstance(step, str) else getattr(step, "__name__", str(step)))
        return None if found is None else found.id

    def _unknown(self, name: str) -> None:
        self.problems.append(self.scope.unknown(self._who, name, self.part.file, self.part.line))

    def _complain(self, code: str, message: str, *, joined: str = ": ") -> None:
        told = f"{self._who}{joined}{message}"
        self.problems.append(Problem(code, told, self.part.file, self.part.line))


def _nothing(_: Context) -> tuple[object, ...]:
    return ()


def _converting(take: Taker, kind: object) -> Taker:
    return lambda context: converted(take(context), kind)


def _returned_member(over: object) -> object:
    told = returned_by(over) if inspect.isfunction(over) else None
    return Any if told is None or told.wrong else member_of(told.annotation)
