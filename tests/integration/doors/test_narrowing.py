"""Lists of runs by words, by who launched them, and up to a time, also across pages."""

from __future__ import annotations

import pytest

from fixtures.libraries import a_flow, code
from fixtures.runs import ended
from integration.doors.asking import RUNS
from integration.doors.conftest import OpenDoor

pytestmark = pytest.mark.anyio

QUICK = a_flow(code("a"))


async def test_a_page_before_a_time_leads_on(open_door: OpenDoor) -> None:
    """The cursor narrows what *until* leaves, and never widens it again."""
    door = await open_door(QUICK)
    launched = [str(await door.launch()) for _ in range(4)]
    third = (await door.json(f"{RUNS}/{launched[2]}"))["created_at"]
    only = {"until": third, "limit": "1"}

    pages = [await door.json(RUNS, params=only)]
    while pages[-1]["next_cursor"]:
        pages.append(await door.json(RUNS, params={**only, "cursor": pages[-1]["next_cursor"]}))

    seen = [run["id"] for page in pages for run in page["items"]]
    assert set(launched[:2]) <= set(seen) <= set(launched[:3])
    assert seen == sorted(seen, reverse=True)
    assert launched[3] not in seen


@pytest.mark.parametrize(
    ("only", "count"),
    [
        ({"q": "NIGHT"}, 1),
        ({"q": "night", "status": "running"}, 0),
        ({"q": "%"}, 0),
        ({"q": "_"}, 0),
        ({"q": ""}, 2),
        ({"launched_by": "local"}, 2),
        ({"launched_by": "loc"}, 0),
        ({"until": "2000-01-01T00:00:00Z"}, 0),
        ({"until": "0001-01-01T00:00:00+23:59"}, 0),
        ({"until": "9999-12-31T23:59:59Z"}, 2),
        ({"since": "9999-12-31T23:59:59Z", "until": "2000-01-01T00:00:00Z"}, 0),
    ],
    ids=range(11),
)
async def test_words_are_words(open_door: OpenDoor, only: dict[str, str], count: int) -> None:
    """Part of the title in any case, not a pattern; a launcher exactly; lists and counts alike."""
    door = await open_door(QUICK)
    for title in ("At Night", ""):
        await ended(door.service, await door.launch(title=title))

    page = await door.json(RUNS, params=only)
    counts = await door.json(f"{RUNS}/counts", params=only)

    assert (len(page["items"]), sum(counts.values())) == (count, count)
