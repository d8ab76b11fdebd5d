"""What an agent is told of the form of its answer (F7)."""

import json
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import BaseModel, BeforeValidator, Field, InstanceOf

from flowrunner.definitions.answering import SCHEMA_CHARACTERS, with_form
from flowrunner.definitions.outputs import adapter
from flowrunner.wire.findings import Answer


class Named(BaseModel):
    """Its field bears the name of a keyword of schemas."""

    title: str = Field(description="one line")
    properties: dict[str, int] = {}
    enum: Literal["a", "b"] = "a"


def schema_in(prompt: str) -> Any:
    return json.loads(prompt.partition("must fit this JSON Schema:\n\n")[2])


@pytest.mark.parametrize(
    "output", [Named, list[Named], Literal["yes", "no"], dict[str, int], Answer]
)
def test_the_schema_is_in_the_prompt(output: Any) -> None:
    """F7: whole and on one line, as the validator means it, but for titles that nobody wrote."""
    prompt = with_form("Look.\n", output, is_wanted=True)

    assert prompt.startswith("Look.\n\n---\n\n## The form of your answer\n")
    assert schema_in(prompt) == without_titles(adapter(output).json_schema())
    assert prompt == with_form("Look.\n", output, is_wanted=True)


def without_titles(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_titles(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", schema).items():
        if key in {"properties", "$defs"} and isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            found[key] = {name: without_titles(each) for name, each in named.items()}
        elif key != "title" or not isinstance(value, str):
            found[key] = without_titles(value)
    return found


def test_fields_keep_their_names_and_what_is_said_of_them() -> None:
    """F7: a field called title is no title."""
    found = schema_in(with_form("Look.", Named, is_wanted=True))

    assert found["properties"].keys() == {"title", "properties", "enum"}
    assert found["properties"]["title"] == {"type": "string", "description": "one line"}


@pytest.mark.parametrize(("output", "is_wanted"), [(None, True), (str, True), (Named, False)])
def test_a_prompt_without_a_form_is_left_as_it_is(output: Any, *, is_wanted: bool) -> None:
    """F7: plain text has none, and an author may say it himself."""
    assert with_form("Look.\n", output, is_wanted=is_wanted) == "Look.\n"


def test_a_type_that_has_no_schema_has_a_form_all_the_same() -> None:
    """F7: what can be checked but not described is still asked for in one block."""

    class Odd:
        pass

    odd = Annotated[InstanceOf[Odd], BeforeValidator(lambda _: Odd())]
    prompt = with_form("Look.", odd, is_wanted=True)

    assert "one fenced block" in prompt
    assert "JSON Schema" not in prompt


def test_a_long_schema_is_cut_and_says_so() -> None:
    """P11: first its descriptions go, then its end."""
    words = Field(description="x" * 300)
    fields: dict[str, Any] = {f"field_{n}": (int, words) for n in range(100)}
    wide = type(
        "Wide",
        (BaseModel,),
        {"__annotations__": {n: Annotated[k, w] for n, (k, w) in fields.items()}},
    )
    many: dict[str, Any] = {f"a_rather_long_name_of_a_field_{n}": int for n in range(1000)}
    huge = type("Huge", (BaseModel,), {"__annotations__": many})

    told = with_form("Look.", wide, is_wanted=True)
    cut = with_form("Look.", huge, is_wanted=True)

    assert schema_in(told)["properties"].keys() == fields.keys()
    assert len(told) < SCHEMA_CHARACTERS
    assert len(cut) < SCHEMA_CHARACTERS + 1000
    assert cut.rstrip().endswith("more characters]")
