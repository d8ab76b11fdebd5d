"""The page about testing shows code that works."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"


def test_the_pages_example_runs() -> None:
    """F72: what the page shows can be copied and is true."""
    found = re.search(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None

    exec(compile(found[1], str(PAGE), "exec"), {})  # noqa: S102  # the page is ours
