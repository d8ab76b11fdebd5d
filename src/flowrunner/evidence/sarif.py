"""Findings as SARIF 2.1.0, for code scanning pages and editors."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.fingerprints import slug
from flowrunner.evidence.severity import stands
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Citation, Claim, Finding, Severity

Json: TypeAlias = dict[str, object]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
BASE = "SRCROOT"
FINGERPRINT = "flowrunnerFinding/v1"

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.MAJOR: "error",
    Severity.MINOR: "warning",
    Severity.NOTE: "note",
}
_PLACELESS = frozenset({Citation.OUTSIDE_PROJECT, Citation.FILE_MISSING})
_LINK = re.compile(r"\[(?=[^\]]*\]\()")


@dataclass(frozen=True, slots=True)
class FailedReviewer:
    """A step that gave no usable answer; SARIF must not look clean without it (P9)."""

    step: str
    message: str


def sarif(
    findings: Sequence[Finding],
    tool_version: str,
    root: Path | None = None,
    *,
    failed: Sequence[FailedReviewer] = (),
) -> Json:
    """Return one log with one run; give *root* only if its absolute path may be published."""
    rules = sorted({_rule_id(finding.claim) for finding in findings})
    run: Json = {
        "tool": {"driver": _driver(tool_version, rules)},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(failed)],
        "results": [_result(finding, rules) for finding in findings],
    }
    if root is not None:
        run["originalUriBaseIds"] = {BASE: {"uri": root.resolve().as_uri().rstrip("/") + "/"}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def relative_uri(path: str) -> str:
    """Percent-encode a relative path, so that no part of it reads as a scheme or a query."""
    return quote(os.fsencode(path), safe="/")


def _driver(version: str, rules: Sequence[str]) -> Json:
    return {
        "name": "flowrunner",
        "version": version,
        "rules": [{"id": rule, "shortDescription": {"text": rule}} for rule in rules],
    }


def _invocation(failed: Sequence[FailedReviewer]) -> Json:
    notes = [
        {
            "level": "error",
            "message": _message(f"{reviewer.step} gave no usable answer: {reviewer.message}"),
            "descriptor": {"id": "reviewer-failed"},
        }
        for reviewer in failed
    ]
    return {"executionSuccessful": not failed, "toolExecutionNotifications": notes}


def _result(finding: Finding, rules: Sequence[str]) -> Json:
    claim = finding.claim
    rule = _rule_id(claim)
    result: Json = {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": _LEVELS[claim.severity],
        "message": _message(f"{claim.title}: {claim.claim}" if claim.claim else claim.title),
        "locations": [_location(finding)] if finding.citation not in _PLACELESS else [],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "severity": claim.severity.value,
            "category": claim.category,
            "citation": finding.citation.value,
            "verdict": finding.verdict.value,
            "confidence": claim.confidence,
            "sources": list(finding.sources),
        },
    }
    if not stands(finding):
        reason = visible(finding.counter_evidence)
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": reason}
        ]
    return result


def _location(finding: Finding) -> Json:
    claim = finding.claim
    place: Json = {"artifactLocation": {"uri": relative_uri(claim.file), "uriBaseId": BASE}}
    if is_supported(finding.citation):
        last = max(claim.line_end or claim.line_start, claim.line_start)
        snippet = {"text": visible(claim.quote, keep_lines=True)}
        place["region"] = {"startLine": claim.line_start, "endLine": last, "snippet": snippet}
    return {"physicalLocation": place}


def _rule_id(claim: Claim) -> str:
    return (
        visible(claim.rule) or f"{slug(claim.category) or 'other'}/{slug(claim.title) or 'other'}"
    )


def _message(text: str) -> Json:
    # In a plain SARIF message "[text](target)" is a link; a reviewer's words must not become one.
    return {"text": _LINK.sub(r"\\[", visible(text, keep_lines=True))}
