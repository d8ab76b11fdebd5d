"""Keep a task's own secrets out of all that leaves it: transcript, report, record, stderr.

Providers repeat keys in their errors, programs print their environment, models are told to ask for
it. What is known is replaced, also where a stream tears it; what somebody has disguised is not.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, cast
from urllib.parse import parse_qsl, quote, urlsplit

from flowrunner.dispatch.acp.recording import OnPiece, Piece, PieceKind
from flowrunner.dispatch.process import OnOutput
from flowrunner.wire.tasks import TaskReport

PLACEHOLDER = "[flowrunner: key]"
SHORTEST = 8
"""What is shorter is a word like any other, and would tear holes into everything."""
_HARMLESS = 4
_GROUP, _GROUP_CHARACTERS = 3, 4
_URL_SAFE = str.maketrans("+/", "-_")
_TELLING = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_CUT = re.compile(r"\s*(?:\[flowrunner: |\.\.\.|\N{HORIZONTAL ELLIPSIS})")

Value = TypeVar("Value")


class Scrubber:
    """Knows the *secrets* of one task, as they are and as addresses, JSON and Base64 have them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST}
        forms = {form for secret in known for form in _forms(secret) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)
        self._whole = re.compile("|".join(map(re.escape, self._forms)) or r"(?!)")

    def text(self, text: str) -> str:
        """Return *text* without them, nor what was left of one where the text was cut."""
        text = self._whole.sub(PLACEHOLDER, text)
        for form in self._forms:
            text = _untorn(text, form)
        return text

    def value(self, value: Value) -> Value:
        """Return *value*, which is as JSON has it, without them: in names, too."""
        return cast("Value", self._value(value))

    def report(self, report: TaskReport) -> TaskReport:
        """Return *report* without them, in whatever field."""
        if not self._forms:
            return report
        told = report.model_dump(include={"output", "error", "partial", "record"})
        clean = cast("dict[str, Any]", self._value(told))
        if report.error is not None:
            clean["error"] = report.error.model_copy(update=clean["error"])
        return report.model_copy(update=clean)

    def stream(self) -> ScrubbedStream:
        return ScrubbedStream(self._whole, self._forms)

    def of_bytes(self) -> Scrubber:
        """Return the same for text that stands for bytes, one character each."""
        return Scrubber(form.encode().decode("latin-1") for form in self._forms)

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            known = cast("Mapping[str, object]", value)
            return {self.text(name): self._value(inner) for name, inner in known.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner) for inner in cast("Iterable[object]", value)]
        return value


class ScrubbedStream:
    """A text that comes in pieces. The beginning of a secret waits until it is told apart."""

    def __init__(self, whole: re.Pattern[str], forms: Iterable[str]) -> None:
        self._whole = whole
        self._forms = tuple(forms)
        self._shown = ""
        """What a secret may have begun with and was let go, because something came between."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what is certain by now."""
        before = len(self._shown)
        body, at, out = self._shown + self._held + piece, 0, ""
        for found in self._whole.finditer(body):
            out += body[max(at, before) : found.start()] + PLACEHOLDER
            at = found.end()
        begun = len(body) - _begun(body[at:], self._forms)
        out += body[max(at, before) : begun]
        self._shown, self._held = body[begun:before], body[max(begun, before) :]
        return out

    def pause(self) -> str:
        """Something else is shown next: return what would look torn, if it gives nothing away."""
        if len(self._shown) + len(self._held) > _HARMLESS:
            return ""
        held, self._held = self._held, ""
        self._shown += held
        return held

    def end(self) -> str:
        """Nothing follows. A secret of which most was said was one."""
        held, size = self._held, len(self._shown) + len(self._held)
        self._shown = self._held = ""
        return PLACEHOLDER if held and size >= SHORTEST else held


class ScrubbedEars:
    """Hears what an agent says, and passes it on without its secrets. Call `end` at the end."""

    def __init__(
        self, scrubber: Scrubber, on_piece: OnPiece, on_stderr: Callable[[bytes], None]
    ) -> None:
        self._scrubber = scrubber
        self._on_piece = on_piece
        self._on_stderr = on_stderr
        self._streams: dict[PieceKind, ScrubbedStream] = {
            "text": scrubber.stream(),
            "thought": scrubber.stream(),
        }
        self._errors = scrubber.of_bytes().stream()
        self._last: PieceKind | None = None

    def piece(self, piece: Piece) -> None:
        if self._last in self._streams and self._last != piece.kind:
            self._pass(self._last, self._streams[self._last].pause())
        self._last = piece.kind
        if stream := self._streams.get(piece.kind):
            self._pass(piece.kind, stream.feed(piece.text))
        else:
            self._pass(piece.kind, self._scrubber.text(piece.text))

    def stderr(self, piece: bytes) -> None:
        self._write(self._errors.feed(piece.decode("latin-1")))

    def end(self) -> None:
        for kind, stream in self._streams.items():
            self._pass(kind, stream.end())
        self._write(self._errors.end())

    def _pass(self, kind: PieceKind, text: str) -> None:
        if text:
            self._on_piece(Piece(kind, text))

    def _write(self, text: str) -> None:
        if text:
            self._on_stderr(text.encode("latin-1"))


class Mouth:
    """What a command writes, passed on without its secrets. Call `end` at the end."""

    def __init__(self, scrubber: Scrubber, pass_on: OnOutput) -> None:
        self.scrubber = scrubber
        self._pass_on = pass_on
        words = scrubber.of_bytes()
        self._streams: dict[Literal["text", "stderr"], ScrubbedStream] = {
            "text": words.stream(),
            "stderr": words.stream(),
        }

    def hear(self, stream: Literal["text", "stderr"], piece: bytes) -> None:
        self._say(stream, self._streams[stream].feed(piece.decode("latin-1")))

    def end(self) -> None:
        for name, stream in self._streams.items():
            self._say(name, stream.end())

    def _say(self, stream: Literal["text", "stderr"], text: str) -> None:
        if text:
            self._pass_on(stream, text.encode("latin-1"))


def secrets_in(address: str | None) -> Iterator[str]:
    """Yield what in an *address* is nobody's business: a password, and keys in its query."""
    parts = urlsplit(address or "")
    if parts.password:
        yield parts.password
    yield from secrets_of(dict(parse_qsl(parts.query)))


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of variables whose names say that nobody should see them."""
    return (value for name, value in environment.items() if _TELLING.search(name))


def secrets_within(value: object) -> Iterator[str]:
    """Yield the same wherever they stand in settings, and the words that they are made of."""
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[str, object]", value).items():
            if isinstance(inner, str) and _TELLING.search(name):
                yield inner
                yield from inner.split()
            yield from secrets_within(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("Iterable[object]", value):
            yield from secrets_within(inner)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    for before in range(_GROUP):  # Base64 depends on where in a text it stands.
        body = b"\0" * before + secret.encode()
        first = _GROUP_CHARACTERS if before else 0
        last = len(body) // _GROUP * _GROUP_CHARACTERS
        whole = base64.b64encode(body).decode()[first:last]
        yield whole
        yield whole.translate(_URL_SAFE)


def _untorn(text: str, form: str) -> str:
    """Replace its end where *text* begins with one, and its beginning where *text* is cut there."""
    for size in range(len(form) - 1, SHORTEST - 1, -1):
        if text.startswith(form[-size:]):
            text = PLACEHOLDER + text[size:]
            break
    at = text.find(form[:SHORTEST])
    while at >= 0:
        end = at + _in_common(text[at : at + len(form)], form)
        if end == len(text) or _CUT.match(text, end):
            text = text[:at] + PLACEHOLDER + text[end:]
        at = text.find(form[:SHORTEST], at + 1)
    return text


def _in_common(text: str, form: str) -> int:
    pairs = enumerate(zip(text, form, strict=False))
    return next((size for size, (one, other) in pairs if one != other), min(len(text), len(form)))


def _begun(text: str, forms: Iterable[str]) -> int:
    """Return how many characters at the end of *text* may be the beginning of one."""
    longest = 0
    for form in forms:
        at = text.find(form[0], max(0, len(text) - len(form) + 1))
        while at >= 0 and not form.startswith(text[at:]):
            at = text.find(form[0], at + 1)
        if at >= 0:
            longest = max(longest, len(text) - at)
    return longest
