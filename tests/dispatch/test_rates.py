"""What an attempt cost, from the operator's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidInputError
from flowrunner.dispatch.rates import Rate, RateTable, priced, read_rates
from flowrunner.wire.tasks import Usage

TABLE = RateTable(version="2026-11", models={"m": Rate(input=0.3, output=1.25)})


def test_a_cost_is_rounded_up_and_keeps_what_it_was_computed_from() -> None:
    """F49: a budget must not be exceeded by what rounding hid."""
    usage, told = priced(Usage(input_tokens=1001, output_tokens=3, seconds=2.0), "m", TABLE)

    assert usage == Usage(input_tokens=1001, output_tokens=3, seconds=2.0, cost_microusd=305)
    assert told == {"version": "2026-11", "model": "m", "input": 0.3, "output": 1.25}


@pytest.mark.parametrize(
    ("usage", "model", "why"),
    [
        (Usage(input_tokens=1), "other", "the table has no rate for this model"),
        (Usage(), "m", "the agent told no tokens"),
    ],
    ids=["model", "tokens"],
)
def test_what_is_not_known_is_said(usage: Usage, model: str, why: str) -> None:
    """P11, F49: nothing is not the same as free."""
    same, told = priced(usage, model, TABLE)

    assert same == usage
    assert told == {"version": "2026-11", "model": model, "unknown": why}


def test_a_table_is_read(tmp_path: Path) -> None:
    """F49: the operator writes it by hand."""
    file = tmp_path / "rates.toml"
    file.write_text('version = "2026-11"\n[models."m"]\ninput = 0.3\noutput = 1.25\n')

    assert read_rates(file) == TABLE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "[models.m]\ninput = -1\n",
            [
                ("invalid-rate", "/version"),
                ("invalid-rate", "/models/m/input"),
                ("invalid-rate", "/models/m/output"),
            ],
        ),
        ("version = \n", [("not-toml", None)]),
        ("version = '1'\nmodels = {}\nmore = 1\n", [("invalid-rate", "/more")]),
        (None, [("unreadable-file", None)]),
    ],
    ids=["values", "toml", "unknown", "missing"],
)
def test_all_that_is_wrong_with_a_table_is_told(
    tmp_path: Path, text: str | None, found: list[tuple[str, str | None]]
) -> None:
    """P11: at once, with the file and the place in it."""
    file = tmp_path / "rates.toml"
    if text is not None:
        file.write_text(text)

    with pytest.raises(InvalidInputError) as refused:
        read_rates(file)

    assert [(p.code, p.pointer) for p in refused.value.problems] == found
    assert {p.file for p in refused.value.problems} == {str(file)}
