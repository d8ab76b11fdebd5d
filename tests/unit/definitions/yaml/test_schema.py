"""The published JSON Schema says of a file what the checker says, as far as a schema can."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.yaml.grammar import flow_schema
from flowrunner.definitions.yaml.loading import load_yaml
from flowrunner.definitions.yaml.nodes import compose, plain
from unit.definitions.yaml.shop import HUNT
from unit.definitions.yaml.test_wrong import cases

ROOT = Path(__file__).parents[4]
PUBLISHED = ROOT / "docs/reference/flow.schema.json"
FORMAL = {"unknown-key", "missing-key", "contrary-keys", "wrong-type", "bad-value", "bad-name"}
"""What a schema can see; the rest needs to know the flow's own names and types."""
BEYOND = {"minimum is above maximum", "missing-key: a schema has no 'type'", "maxLength is above"}


def is_accepted(text: str) -> bool:
    """Hold the file's values against the schema."""
    root, _ = compose(text, "x.flow.yaml")
    assert root is not None
    validator: Any = jsonschema.Draft202012Validator(flow_schema())
    return bool(validator.is_valid(plain(root)))


def readable() -> list[tuple[str, bool]]:
    """The wrong flows that are YAML, and whether a schema should refuse them."""
    found: list[tuple[str, bool]] = []
    for text, said in cases():
        if compose(text, "x.flow.yaml")[0] is None:
            continue
        told = [each.split(": ")[1] for each in said if not any(b in each for b in BEYOND)]
        found.append((text, bool(FORMAL & set(told))))
    return found


def test_the_published_schema_is_current() -> None:
    """F4: what editors are given is what the checker reads; `flows schema --yaml` prints it."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == flow_schema()


def test_the_schema_is_one() -> None:
    """F4: editors can use it: it is valid JSON Schema, draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(flow_schema())


@pytest.mark.parametrize(
    ("text", "is_formal"), readable(), ids=[f"case-{n}" for n in range(1, len(readable()) + 1)]
)
def test_schema_and_checker_agree_on_what_is_wrong(text: str, *, is_formal: bool) -> None:
    """F4: an editor marks what the checker would refuse for its form, and nothing else."""
    assert is_accepted(text) is not is_formal


def test_the_table_has_both_sorts() -> None:
    """F4: agreement over an empty set would prove nothing."""
    formal = [is_formal for _, is_formal in readable()]

    assert formal.count(True) >= 10
    assert formal.count(False) >= 5


def shipped() -> list[Path]:
    """Every YAML flow of this repository, and those of its pages."""
    return sorted(
        [*shipped_folder("flows").rglob("*.flow.yaml"), *(ROOT / "docs").rglob("*.flow.yaml")]
    )


def test_right_flows_fit() -> None:
    """F4: the checker and the schema accept what is shipped and what is tried."""
    for text in (HUNT, *(file.read_text(encoding="utf-8") for file in shipped())):
        assert is_accepted(text)
        assert load_yaml(text, "x.flow.yaml", ["newcomer"]).problems == ()
