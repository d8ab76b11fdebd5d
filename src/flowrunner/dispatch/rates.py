"""What tokens cost: the operator's own table, whose version is kept with every attempt (F49)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.wire.tasks import Usage

Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Rate(BaseModel):
    """Dollars per million tokens, which is millionths of a dollar per token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    output: Dollars


class RateTable(BaseModel):
    """*models* by the name that a launch or an agent's settings give them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(min_length=1, max_length=100)
    models: Mapping[str, Rate]


def read_rates(file: Path) -> RateTable:
    """Read a TOML file. Raise InvalidInputError with every problem at once."""
    try:
        return RateTable.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as exc:
        problems = [Problem("unreadable-file", f"{exc.strerror}", str(file))]
    except ValidationError as exc:
        problems = [
            Problem(
                "invalid-rate",
                error["msg"],
                str(file),
                pointer="/" + "/".join(str(part) for part in error["loc"]),
            )
            for error in exc.errors(include_url=False, include_input=False)
        ]
    except ValueError as exc:  # neither UTF-8 nor TOML; the words name the line
        problems = [Problem("not-toml", str(exc), str(file))]
    raise InvalidInputError("the table of rates cannot be used", problems)


def priced(usage: Usage, model: str, table: RateTable) -> tuple[Usage, dict[str, JsonValue]]:
    """Return *usage* with its cost, rounded up, and what it was computed from.

    What is not known stays 0, and is said: the table may not name the model, the agent may not have
    told its tokens.
    """
    told: dict[str, JsonValue] = {"version": table.version, "model": model}
    rate = table.models.get(model)
    if rate is None:
        return usage, {**told, "unknown": "the table has no rate for this model"}
    if not usage.input_tokens + usage.output_tokens:
        return usage, {**told, "unknown": "the agent told no tokens"}
    cost = math.ceil(usage.input_tokens * rate.input + usage.output_tokens * rate.output)
    told |= {"input": rate.input, "output": rate.output}
    return usage.model_copy(update={"cost_microusd": cost}), told
