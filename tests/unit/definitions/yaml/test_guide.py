"""docs/authoring-yaml.md is true: its flows run, its values are computed, its messages are exact."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowrunner.core.expression_reading import read
from flowrunner.core.expression_values import evaluate
from flowrunner.core.expressions import Fault
from flowrunner.definitions.yaml.loading import load_yaml
from flowrunner.testing import approve, rehearse
from flowrunner.testing.defining import definition_of
from flowrunner.testing.samples import Samples
from flowrunner.testing.scripts import written
from unit.definitions.yaml.shop import a_flow
from unit.definitions.yaml.test_schema import is_accepted

GUIDE = (Path(__file__).parents[4] / "docs/authoring-yaml.md").read_text(encoding="utf-8")
FLOWS = dict(re.findall(r"```yaml\n# flows/([\w.]+)\n(.*?)```", GUIDE, re.DOTALL))
ROWS = re.findall(r"^\| `(.+?)` \| (.+?) \|$", GUIDE, re.MULTILINE)
SCRIPTS: Mapping[str, Mapping[str, str]] = {
    "find_issues.flow.yaml": {
        "scan": '[{"file": "a.py", "line": 3}]',
        "confirm": '{"title": "Leaky", "severity": "high"}',
    },
    "cited.flow.yaml": {
        "look": '{"page": "authoring-yaml.md", "claims": [{"title": "t", "line": 1,'
        ' "file": "docs/authoring-yaml.md", "quote": "# Writing flows in YAML"}]}'
    },
}
VALUES: Mapping[str, Any] = {
    "input": {"limit": 5, "focus": "security"},
    "band": "small",
    "steps": {
        "scan": [{"file": "a.py", "line": 3}, {"file": "b.py", "line": 9}],
        "confirm": [
            {"title": "Leaky", "severity": "high", "line": 3},
            {"title": "Slow", "severity": "low", "line": 9},
        ],
    },
    "outcomes": {"scan": {"status": "completed"}, "off": {"status": "skipped"}},
}


def test_the_page_has_examples() -> None:
    """F1: a page without examples would pass every test below."""
    assert len(FLOWS) >= 4
    assert len(ROWS) >= 15


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_an_example_runs_to_its_report(name: str) -> None:
    """F1: every flow of the page loads, fits the schema, and plays from launch to report."""
    text = FLOWS[name]
    definition = definition_of(a_flow(text))
    samples = Samples(definition)

    told = rehearse(
        definition,
        agents=SCRIPTS.get(name, {}),
        band=definition.flow.bands[-1],
        approvals={"ok": approve(), "publish": approve()},
        project=Path(__file__).parents[4],
        default=lambda spec: written(samples.answer(spec)),
    )

    assert is_accepted(text)
    assert (told.status, told.degraded, told.waiting) == ("completed", False, ())
    assert told.markdown


@pytest.mark.parametrize(("text", "said"), ROWS, ids=[text for text, _ in ROWS])
def test_an_expression_is_what_the_page_says(text: str, said: str) -> None:
    """F10, P9: the tables are computed: values where there are some, failures where there are none."""
    node = read(text)
    assert not isinstance(node, Fault)

    found = evaluate(node, VALUES)

    shown = found.message if isinstance(found, Fault) else f"`{json.dumps(found)}`"
    assert shown == said


def test_the_messages_are_exact() -> None:
    """D2-26: what the page shows of a wrong flow is what the checker says of it."""
    found = re.search(r"```yaml\n(# wrong/.*?)```\n\n```console\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None

    problems = load_yaml(found[1], "wrong/find.flow.yaml", []).problems

    assert "\n".join(map(str, problems)) + "\n" == found[2]
