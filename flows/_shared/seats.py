"""Who was asked, and what came of it: the roster of a report, so that no silence is overlooked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.excuses import is_excuse
from flowrunner.wire.findings import Answer

from .parts import Part, parts_of

Fate = Literal["answered", "partial", "empty", "failed", "skipped", "excluded"]

GAPS_SHOWN = 3
SUMMARY_LENGTH = 4000


class Seat(BaseModel):
    """One agent and what came of it; *detail* says why there is no usable answer, or not a whole.

    *batch_count* is in how many parts it was asked, *failed_batches* names those without an answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    persona: str
    fate: Fate
    detail: str = ""
    summary: str = ""
    finding_count: int = 0
    file_count: int = 0
    model_asked: bool = False
    truncated: bool = False
    batch_count: int = 1
    failed_batches: tuple[str, ...] = ()

    @property
    def has_said(self) -> bool:
        return self.fate in {"answered", "partial"}


class Spoken(Protocol):
    """What every answer of an agent has."""

    @property
    def summary(self) -> str: ...
    @property
    def model_asked(self) -> bool: ...
    @property
    def truncated(self) -> bool: ...


S = TypeVar("S", bound=Spoken)


@dataclass(frozen=True, slots=True)
class Form(Generic[S]):
    """How an agent answers: *counts* is how much is said, and how many files were read.

    *reads*: whoever says nothing in particular must have read something to say so.
    """

    kind: type[S]
    counts: Callable[[S], tuple[int, int]]
    reads: bool = False

    def silence(self, answer: S) -> str:
        """Return why *answer* is none; "" if it is one."""
        said, read = self.counts(answer)
        words = answer.summary.strip()
        if said:
            return ""
        if is_excuse(words):
            return f"it only said: {words}"
        if not words and not read:
            return "an answer without findings, files or a summary"
        if self.reads and not read and answer.model_asked:
            return "it found nothing, and names no file that it has read"
        return ""


def seat_of(key: str, persona: str, ctx: Context, *, has_files: bool = True) -> Seat:
    """Return what came of one reviewer; *has_files* False: there is nothing that it could read.

    Whoever finds nothing in files must have read some: else it has not looked.
    """
    return seat_by(key, persona, ctx, Form(Answer, _counts, reads=has_files))


def seat_by(key: str, persona: str, ctx: Context, form: Form[S]) -> Seat:
    """Return what came of whoever answers in another form; an answer without content is none."""
    parts = parts_of(ctx, key, form.kind)
    bare = Seat(key=key, persona=persona, fate="failed", batch_count=max(1, len(parts)))
    if not parts:
        return _unseated(bare, ctx)
    given = [part.output for part in parts if part.output is not None]
    said = [answer for answer in given if not form.silence(answer)]
    silent = [part for part in parts if part.output is None or form.silence(part.output)]
    return bare.model_copy(
        update={
            "fate": "answered" if not silent else "partial" if said else _fate(silent),
            "detail": _why([(part.key, _reason(part, form)) for part in silent], len(parts)),
            "summary": merged(_summaries(parts), len(parts))[:SUMMARY_LENGTH],
            "finding_count": sum(form.counts(answer)[0] for answer in said),
            "file_count": sum(form.counts(answer)[1] for answer in said),
            "model_asked": bool(said) and all(answer.model_asked for answer in said),
            "truncated": any(answer.truncated for answer in said),
            "failed_batches": tuple(part.key for part in silent if part.key),
        }
    )


def merged(said: Sequence[tuple[str, str]], total: int) -> str:
    """Return what parts said, each line once, with for how many of *total* it holds.

    *said* are keys of parts with their words; a line without such a mark holds for all.
    """
    holders: dict[str, list[str]] = {}
    for key, words in said:
        for line in filter(None, map(str.strip, words.splitlines())):
            holders[line] = [*holders.get(line, ()), key]
    lines: dict[tuple[str, ...], list[str]] = {}
    for line, keys in holders.items():
        lines.setdefault(tuple(dict.fromkeys(keys)), []).append(line)
    return "\n".join(f"{' '.join(each)}{_held(keys, total)}" for keys, each in lines.items())


def _held(keys: Sequence[str], total: int) -> str:
    if len(keys) == total:
        return ""
    return f" ({len(keys)} of {total} batches)" if len(keys) > 1 else f" (batch {keys[0]})"


def _summaries(parts: Sequence[Part[S]]) -> list[tuple[str, str]]:
    return [(part.key, part.output.summary) for part in parts if part.output is not None]


def _counts(answer: Answer) -> tuple[int, int]:
    return len(answer.findings), len(answer.reviewed_files)


def _unseated(bare: Seat, ctx: Context) -> Seat:
    outcome = ctx.outcomes.get(bare.key)
    if outcome is not None and outcome.status in {"skipped", "excluded"}:
        return bare.model_copy(update={"fate": outcome.status})
    status = "there is no such step" if outcome is None else outcome.message or outcome.status
    return bare.model_copy(update={"detail": status})


def _fate(parts: Sequence[Part[S]]) -> Fate:
    return "empty" if any(part.output is not None for part in parts) else "failed"


def _reason(part: Part[S], form: Form[S]) -> str:
    return part.message if part.output is None else form.silence(part.output)


def _why(silent: Sequence[tuple[str, str]], total: int) -> str:
    if not silent:
        return ""
    if total == 1:
        return silent[0][1]
    named = [f"{key}: {why}" for key, why in silent]
    more = f" and {len(silent) - GAPS_SHOWN} more" if len(silent) > GAPS_SHOWN else ""
    return f"{len(silent)} of {total} batches ({'; '.join(named[:GAPS_SHOWN])}{more})"
