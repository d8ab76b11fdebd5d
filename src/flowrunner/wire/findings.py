"""A finding as agents answer it, as the report lists it, and as machines read it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Path = Annotated[str, Field(min_length=1, max_length=1024)]
Line = Annotated[int, Field(ge=1, le=10_000_000)]
Untold = SkipJsonSchema[bool]
"""What an answer may say and no model is asked: it is true of each of them."""


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    NOTE = "note"


class Verdict(StrEnum):
    UNVERIFIED = "unverified"
    CONFIRMED = "confirmed"
    PARTIALLY_REFUTED = "partially_refuted"
    REFUTED = "refuted"


class Claim(BaseModel):
    """What a reviewer asserts about one place; unknown fields are ignored, for models add some.

    An empty *quote* is accepted and then flagged: refused, it would cost all others beside it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str = Field(default="", max_length=100)
    category: str = Field(min_length=1, max_length=60)
    severity: Severity
    title: str = Field(min_length=1, max_length=200)
    claim: str = Field(default="", max_length=4000)
    file: Path
    line_start: Line
    line_end: Line | None = None
    quote: str = Field(max_length=2000)
    reach: str = Field(default="", max_length=1000)
    suggestion: str = Field(default="", max_length=2000)
    confidence: float = Field(default=0.5, ge=0, le=1)


class Answer(BaseModel):
    """What every reviewer answers: claims, what was looked at, and whether a model was asked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    findings: tuple[Claim, ...] = Field(max_length=500)
    summary: str = Field(default="", max_length=4000)
    reviewed_files: tuple[Path, ...] = Field(default=(), max_length=10_000)
    model_asked: Untold = True
    truncated: bool = False


class Quotation(BaseModel):
    """A place in the code and what stands there, as evidence for or against something."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: Path
    line_start: Line
    line_end: Line | None = None
    quote: str = Field(max_length=2000)


class Ruling(BaseModel):
    """What a verifier says about one finding; refuting it needs a quotation of its own (F-03)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    finding: str = Field(min_length=1, max_length=64)
    verdict: Verdict
    reason: str = Field(default="", max_length=4000)
    counter: Quotation | None = None


class Rulings(BaseModel):
    """What every verifier answers: one ruling per finding that it was given."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rulings: tuple[Ruling, ...] = Field(max_length=500)
    summary: str = Field(default="", max_length=4000)
    model_asked: Untold = True


class Citation(StrEnum):
    """Whether the cited place exists and holds the quote, judged by code (F-02)."""

    EXACT = "exact"
    MOVED = "moved"
    QUOTE_MISMATCH = "quote_mismatch"
    LINE_OUT_OF_RANGE = "line_out_of_range"
    FILE_MISSING = "file_missing"
    OUTSIDE_PROJECT = "outside_project"
    TREE_CHANGED = "tree_changed"


class Finding(BaseModel):
    """A claim after folding: who said it, its fingerprint, and what the citation check found.

    *others* are differently worded claims about the same place, so that folding loses nothing;
    *demoted_from* is the severity before code lowered it, *demotion* why it did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    fingerprint: str
    claim: Claim
    sources: tuple[str, ...]
    citation: Citation
    verdict: Verdict = Verdict.UNVERIFIED
    counter_evidence: str = ""
    others: tuple[Claim, ...] = ()
    demoted_from: Severity | None = None
    demotion: str = ""
