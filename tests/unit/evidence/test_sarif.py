"""The SARIF log has what version 2.1.0 requires and what its readers use."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from flowrunner.evidence.folding import fold
from flowrunner.evidence.sarif import FailedReviewer, relative_uri, sarif
from flowrunner.evidence.tree import pin_tree
from flowrunner.wire.findings import Claim, Finding, Severity, Verdict
from unit.evidence.projects import a_claim, a_project, an_answer

NAME = "ümlaut dir/a b#?%[1]:x.py"
LEVELS = {"none", "note", "warning", "error"}
URI = re.compile(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+")


def folded(root: Path, *claims: Claim) -> tuple[Finding, ...]:
    tree = pin_tree(a_project(root, {NAME: "value = 1\n", "a.py": "value = 1\n"}))
    return fold([("reviewer", an_answer(*claims))], tree)


def complaints(log: dict[str, Any]) -> list[str]:
    """Check the properties that the 2.1.0 schema requires of the parts used here."""
    found = [] if log["version"] == "2.1.0" and log["$schema"].endswith(".json") else ["head"]
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        ids = [rule["id"] for rule in driver["rules"]]
        found += [] if driver["name"] and len(set(ids)) == len(ids) else ["driver"]
        found += [] if run["columnKind"] in {"unicodeCodePoints", "utf16CodeUnits"} else ["columns"]
        found += [c for each in run["invocations"] for c in invocation_complaints(each)]
        found += [c for each in run["results"] for c in result_complaints(each, ids)]
    return found


def invocation_complaints(invocation: dict[str, Any]) -> list[str]:
    found = [] if isinstance(invocation["executionSuccessful"], bool) else ["executionSuccessful"]
    for note in invocation["toolExecutionNotifications"]:
        found += [] if note["message"]["text"] and note["level"] in LEVELS else ["notification"]
    return found


def result_complaints(result: dict[str, Any], ids: list[str]) -> list[str]:
    prints = list(result["partialFingerprints"].values())
    fine = [
        bool(result["message"]["text"]),
        result["level"] in LEVELS,
        ids.index(result["ruleId"]) == result["ruleIndex"],
        all(isinstance(each, str) for each in prints),
    ]
    found = [] if all(fine) else ["result"]
    for location in result["locations"]:
        place = location["physicalLocation"]
        uri, region = place["artifactLocation"]["uri"], place.get("region", {"startLine": 1})
        found += [] if URI.fullmatch(uri) and not uri.startswith("/") else [f"uri {uri}"]
        found += [] if 1 <= region["startLine"] <= region.get("endLine", 10**9) else ["region"]
    kinds = {s["kind"] for s in result.get("suppressions", [])}
    return found + ([] if kinds <= {"inSource", "external"} else ["suppression"])


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    return log["runs"][0]["results"]


def test_the_log_is_well_formed(tmp_path: Path) -> None:
    """Every kind of finding, citation and name passes the structural check."""
    claims = [
        a_claim(NAME, severity=Severity.CRITICAL),
        a_claim(rule="", severity=Severity.MAJOR),
        a_claim(line=999, quote="not there at all", severity=Severity.NOTE),
        a_claim("none.py"),
        a_claim("../out.py"),
    ]

    log = sarif(folded(tmp_path, *claims), "0.1.0", tmp_path)

    assert complaints(log) == []
    assert len(results(log)) == 5


def test_the_structural_check_can_fail(tmp_path: Path) -> None:
    """A raw space in an address is caught, so the test above means something."""
    log: dict[str, Any] = sarif(folded(tmp_path, a_claim()), "0.1.0")
    place = results(log)[0]["locations"][0]["physicalLocation"]["artifactLocation"]
    place["uri"] = "a b.py"

    assert complaints(log) == ["uri a b.py"]


@pytest.mark.parametrize("path", [NAME, "http://evil/x", "a\nb", "-x", "café.py", "c:/x"])
def test_addresses_are_relative_and_lead_back(path: str) -> None:
    """No path can read as a scheme, a query or a fragment."""
    uri = relative_uri(path)

    assert URI.fullmatch(uri)
    assert unquote(uri) == path


def test_a_failed_reviewer_is_not_a_clean_log(tmp_path: Path) -> None:
    """P9, F-05: no results and a failed reviewer reads as a failure, not as all clear."""
    log: dict[str, Any] = sarif((), "0.1.0", failed=[FailedReviewer("security", "no answer")])
    (invocation,) = log["runs"][0]["invocations"]

    assert invocation["executionSuccessful"] is False
    assert "security" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert sarif(folded(tmp_path, a_claim()), "0.1.0")["runs"] != log["runs"]


def test_the_fingerprint_and_the_quote_ride_along(tmp_path: Path) -> None:
    """F-01: code scanning follows a finding by our fingerprint."""
    (finding,) = folded(tmp_path, a_claim())

    (result,) = results(sarif([finding], "0.1.0"))

    assert result["partialFingerprints"] == {"flowrunnerFinding/v1": finding.fingerprint}
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "endLine": 1, "snippet": {"text": "value = 1"}}


def test_a_place_that_does_not_check_out_has_no_lines(tmp_path: Path) -> None:
    """F-02: a wrong line number must not be painted into somebody's code."""
    claims = [a_claim(line=50, quote="not there at all"), a_claim("none.py")]

    log = sarif(folded(tmp_path, *claims), "0.1.0")

    places = {r["properties"]["citation"]: r["locations"] for r in results(log)}
    assert places["file_missing"] == []
    assert "region" not in places["line_out_of_range"][0]["physicalLocation"]


def test_what_was_refuted_is_suppressed_with_the_reason(tmp_path: Path) -> None:
    """F-03: a refuted finding is closed with its evidence, a security finding stays open."""
    told = folded(tmp_path, a_claim(), a_claim(category="security"))
    refuted = [
        f.model_copy(update={"verdict": Verdict.REFUTED, "counter_evidence": "a.py:1: guarded"})
        for f in told
    ]

    log = sarif(refuted, "0.1.0")

    closed = {r["properties"]["category"]: r.get("suppressions", []) for r in results(log)}
    assert closed["security"] == []
    assert closed["correctness"][0]["justification"] == "a.py:1: guarded"


def test_words_of_a_reviewer_do_not_become_links(tmp_path: Path) -> None:
    """SARIF messages know links and viewers print them: both are defused, as are controls."""
    (finding,) = folded(tmp_path, a_claim(title="see [here](http://evil) \u202e x[0]"))

    (result,) = results(sarif([finding], "0.1.0"))

    assert result["message"]["text"] == "see \\[here](http://evil) <U+202E> x[0]"


def test_the_root_is_published_only_when_asked(tmp_path: Path) -> None:
    """An absolute path says more about a machine than a report should."""
    with_root = sarif((), "0.1.0", tmp_path)
    without = sarif((), "0.1.0")

    assert tmp_path.as_posix() not in str(without)
    assert f"{tmp_path.resolve().as_uri()}/" in str(with_root)
