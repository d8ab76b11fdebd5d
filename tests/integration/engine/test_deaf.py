"""Where no hint arrives at all, looking has to find everything."""

from __future__ import annotations

import pytest

from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch
from fixtures.services import Replicas

pytestmark = pytest.mark.anyio


async def test_what_lies_in_the_inbox_is_found_without_any_hint(
    proxy: Proxy, replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """N6, P4: a report through SQL hints by itself, whatever our mode; here nobody hears that."""
    service = await replicas.start(
        a_library(a_flow(agent("a"))), addresses=proxy.addresses, poll_seconds=0.1
    )
    # From now on, for a listener that knows that it is deaf looks again when it tries again.
    proxy.is_deaf = True
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "a")

    await dispatcher.leave(task)

    assert await ended(service, run_id) == "completed"
