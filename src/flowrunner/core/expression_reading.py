"""From the text of an expression to its tree: a lexer and a recursive descent, bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flowrunner.core.expression_tokens import (
    Token,
    UnreadableError,
    fault,
    number,
    tokens,
    unquoted,
)
from flowrunner.core.expressions import (
    MEMBER,
    ROOTS,
    WORDS,
    Both,
    Compare,
    Constant,
    Default,
    Fault,
    Length,
    Listed,
    Node,
    Not,
    Operator,
    Over,
    Part,
    Quantifier,
    Root,
    children,
)

MAX_CHARACTERS = 4000
MAX_DEPTH = 40

_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_CONSTANTS = {"true": True, "false": False, "null": None}
_VERBS = {"any", "all", "count", "default"}


def read(text: str) -> Node | Fault:
    """Parse *text* whole, or say where it goes wrong."""
    if len(text) > MAX_CHARACTERS:
        message = f"an expression has at most {MAX_CHARACTERS} characters, not {len(text)}"
        return Fault("bad-expression", message)
    try:
        return _bounded(_Reader(list(tokens(text)), len(text)).whole())
    except UnreadableError as stop:
        return stop.fault


class _Reader:
    """One pass over the tokens; *inside* counts the conditions of any, all and count around."""

    def __init__(self, words: list[Token], end: int) -> None:
        self._tokens = words
        self._end = end
        self._next = 0
        self._depth = 0
        self._inside = 0

    def whole(self) -> Node:
        if not self._tokens:
            raise fault("the expression is empty")
        node = self._either()
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            message = f"{token.text!r} does not follow from what stands before it"
            raise fault(message, token.at)
        return node

    def _either(self) -> Node:
        self._enter()
        node = self._chain("or", self._both)
        self._depth -= 1
        return node

    def _both(self) -> Node:
        return self._chain("and", self._negated)

    def _chain(self, word: str, operand: Callable[[], Node]) -> Node:
        node = operand()
        while (token := self._take("name", word)) is not None:
            node = Both(node, operand(), either=word == "or", at=token.at)
        return node

    def _negated(self) -> Node:
        token = self._take("name", "not")
        if token is None:
            return self._compared()
        self._enter()
        node = self._negated()
        self._depth -= 1
        return Not(node, token.at)

    def _compared(self) -> Node:
        left = self._value()
        token = self._take("sign", *_COMPARISONS) or self._take("name", "in")
        if token is None:
            return left
        right = self._value()
        again = self._take("sign", *_COMPARISONS) or self._take("name", "in")
        if again is not None:
            hint = "join two comparisons with and"
            raise fault(f"{again.text!r} cannot follow a comparison", again.at, hint)
        return Compare(cast("Operator", token.text), left, right, token.at)

    def _value(self) -> Node:
        node = self._first()
        while (token := self._take("sign", ".", "[")) is not None:
            node = self._field(node) if token.text == "." else self._indexed(node)
        return node

    def _first(self) -> Node:
        token = self._advance("a value")
        match token.kind:
            case "number":
                return Constant(number(token), token.at)
            case "text":
                return Constant(unquoted(token), token.at)
            case "name":
                return self._named(token)
            case _ if token.text == "(":
                node = self._either()
                self._expect(")")
                return node
            case _ if token.text == "[":
                return self._list(token)
            case _:
                raise UnreadableError(_no_value(token))

    def _named(self, token: Token) -> Node:
        name = token.text
        if name in _CONSTANTS:
            return Constant(_CONSTANTS[name], token.at)
        if name in ROOTS:
            return Root(name, token.at)
        if name == MEMBER:
            if not self._inside:
                message = (
                    f"'{MEMBER}' is the member of a list, within any(...), all(...), count(...)"
                )
                raise fault(message, token.at)
            return Root(MEMBER, token.at)
        if name in WORDS:
            raise UnreadableError(_no_value(token))
        # A bare name: a field of the member where there is one, else a step.
        return Part(Root(MEMBER if self._inside else "steps", token.at), name, token.at)

    def _field(self, of: Node) -> Node:
        token = self._advance("a field's name")
        if token.kind != "name":
            hint = 'write ["name"] for a field whose name is no word'
            message = f"a field's name is wanted here, not {token.text!r}"
            raise fault(message, token.at, hint)
        name = token.text
        if name in _VERBS and self._take("sign", "("):
            return self._verb(of, token)
        if name in {"length", "count"}:
            return Length(of, "length" if name == "length" else "count", token.at)
        return Part(of, name, token.at)

    def _verb(self, of: Node, token: Token) -> Node:
        if token.text == "default":
            other = self._either()
            self._expect(")")
            return Default(of, other, token.at)
        if token.text == "count" and self._take("sign", ")"):
            return Length(of, "count", token.at)
        self._inside += 1
        condition = self._either()
        self._inside -= 1
        self._expect(")")
        return Over(of, cast("Quantifier", token.text), condition, token.at)

    def _indexed(self, of: Node) -> Node:
        token = self._advance("a number or a name in quotes")
        if token.kind == "text":
            part: str | int = unquoted(token)
        elif token.kind == "number" and token.text.isdigit():
            part = int(token.text[:9])
        else:
            message = f"a number or a name in quotes is wanted here, not {token.text!r}"
            raise fault(message, token.at)
        self._expect("]")
        return Part(of, part, token.at)

    def _list(self, opening: Token) -> Node:
        members: list[Node] = []
        while self._take("sign", "]") is None:
            if members:
                self._expect(",")
            members.append(self._either())
        return Listed(tuple(members), opening.at)

    def _take(self, kind: str, *texts: str) -> Token | None:
        if self._next == len(self._tokens):
            return None
        token = self._tokens[self._next]
        if token.kind != kind or token.text not in texts:
            return None
        self._next += 1
        return token

    def _advance(self, what: str) -> Token:
        if self._next == len(self._tokens):
            raise fault(f"{what} is missing at the end", self._end)
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, sign: str) -> None:
        if self._take("sign", sign) is None:
            at = self._tokens[self._next].at if self._next < len(self._tokens) else self._end
            raise fault(f"'{sign}' is missing", at)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            at = self._tokens[min(self._next, len(self._tokens) - 1)].at
            raise UnreadableError(_too_deep(at))


def _bounded(node: Node) -> Node | Fault:
    """Refuse a tree that is too deep for whoever walks it by recursion."""
    level: tuple[Node, ...] = (node,)
    for _ in range(MAX_DEPTH):
        level = tuple(child for each in level for child in children(each))
        if not level:
            return node
    return _too_deep(0)


def _no_value(token: Token) -> Fault:
    return Fault("bad-expression", f"a value is wanted here, not {token.text!r}", token.at)


def _too_deep(at: int) -> Fault:
    return Fault("bad-expression", f"the expression nests deeper than {MAX_DEPTH}", at)
