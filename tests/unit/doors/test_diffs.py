"""Two runs side by side: inputs and findings, from values alone."""

from __future__ import annotations

from typing import Any

import pytest

from flowrunner.service.comparing import changes, finding_diffs


def sarif(*results: dict[str, Any]) -> dict[str, Any]:
    return {"runs": [{"results": list(results)}]}


def result(text: str, mark: str | None = None, line: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": "r",
        "level": "error",
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "a.py"},
                    "region": {"startLine": line},
                }
            }
        ],
    }
    return {**found, "partialFingerprints": {"v1": mark}} if mark else found


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({}, {}, []),
        ({"x": 1}, {"x": 1}, []),
        ({"x": 1}, {"x": 2}, [("/x", "changed")]),
        ({"x": 1}, {"x": True}, [("/x", "changed")]),
        ({"x": None}, {}, [("/x", "removed")]),
        ({}, {"x": None}, [("/x", "added")]),
        ({"x": {"y": 1, "z": 2}}, {"x": {"y": 1, "z": 3}}, [("/x/z", "changed")]),
        ({"x": [1, 2]}, {"x": [2, 1]}, [("/x", "changed")]),
        ({"a/b": {"c~d": 1}}, {"a/b": {}}, [("/a~1b/c~0d", "removed")]),
        ({"x": {"y": 1}}, {"x": 1}, [("/x", "changed")]),
        (1, 2, [("", "changed")]),
    ],
    ids=str,
)
def test_inputs_differ_at_places(a: Any, b: Any, expected: list[tuple[str, str]]) -> None:
    """Every place that differs, by its pointer; what is the same is not told."""
    assert [(change.pointer, change.kind) for change in changes(a, b)] == expected


def test_findings_are_known_again() -> None:
    """By fingerprint, however they moved or were worded; else by what they say and where."""
    before = sarif(result("old words", "1", line=3), result("gone", "2"), result("plain"))
    after = sarif(result("new words", "1", line=9), result("new", "3"), result("plain", line=7))

    found = finding_diffs(before, after)

    assert found is not None
    assert [(f.message, f.line) for f in found.same] == [("new words", 9), ("plain", 7)]
    assert [f.message for f in found.new] == ["new"]
    assert [(f.message, f.file, f.level) for f in found.fixed] == [("gone", "a.py", "error")]


@pytest.mark.parametrize(
    "broken",
    [{}, [], "x", {"runs": None}, {"runs": [None]}, sarif({}), {"runs": [{"results": "x"}]}],
    ids=str,
)
def test_what_is_no_sarif_has_no_findings(broken: Any) -> None:
    """A flow's author may return anything: a comparison does not fail for it."""
    found = finding_diffs(broken, sarif(result("new", "1")))

    assert found is not None
    assert [f.message for f in found.new] == ["new"]


def test_without_sarif_there_is_nothing_to_compare() -> None:
    """No findings is not the same as none told."""
    assert finding_diffs(None, sarif()) is None
    assert finding_diffs(sarif(), None) is None
