"""schemathesis: every route of the OpenAPI document, asked what its schema allows and forbids.

The seeds are fixed: the same code is asked the same. What is found is no server error, and no
answer that the document does not promise.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis import checks as all_checks
from schemathesis.core.failures import Failure, FailureGroup

from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.api.app import make_app
from flowrunner.api.openapi import describe
from flowrunner.bootstrap.service import Service
from integration.doors.asking import Choice, question
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

Case = Any
"""A case as schemathesis has it, whose own types are in parts unknown."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
ENDLESS = {"all_events"}
"""A stream without an end; tests of its own look at it."""
EXAMPLES = 12

FLOWS = (
    a_flow(code("a"), question("ask", form=Choice), agent("b")),
    a_flow(code("a"), name="quick"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """What exists, by the name of the parameter that may say it: ids at random name nothing."""

    values: dict[str, list[Any]]

    def fill(self, case: Case, draw: st.DataObject) -> None:
        for given_there in (case.path_parameters, case.query):
            for name in given_there:
                if name in self.values:
                    there = st.sampled_from([given_there[name], *self.values[name]])
                    given_there[name] = draw.draw(there, label=name)


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(*FLOWS))


async def known(service: Service) -> Known:
    """A run that asks and a run that has ended, with their steps and a question."""
    live, over = await launch(service), await launch(service, "quick")
    await ended(service, over)

    async def question_id() -> str | None:
        page = await service.approvals.list_approvals(("open",), None, 1, None)
        return page.items[0].id if page.items else None

    runs = [str(live), str(over), "@last"]
    return Known(
        {
            "run_id": runs,
            "run": runs,
            "a": runs,
            "b": runs,
            "key": ["a", "b", "ask"],
            "group": ["a"],
            "attempt": [1],
            "approval_id": [await until(question_id)],
            "name": ["demo", "quick"],
            "flow": ["demo"],
        }
    )


def checks() -> Any:
    return cast("Any", all_checks.CHECKS).get_by_names(CHECKS)


def operations(document: dict[str, Any]) -> Iterator[Any]:
    schema: Any = schemathesis.openapi.from_dict(document)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"] not in ENDLESS:
            yield operation


class Fuzzer:
    """Asks a server, and keeps what was wrong; *told* counts the answers by status."""

    def __init__(self, url: str, there: Known) -> None:
        self._url = url
        self._there = there
        self.complaints: list[str] = []
        self.told: Counter[int] = Counter()

    def ask(self, document: dict[str, Any], only: str | None = None) -> None:
        with requests.Session() as session:
            for operation in operations(document):
                if only not in {None, operation.definition.raw["operationId"]}:
                    continue
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    self._ask(operation, mode, session)

    def _ask(self, operation: Any, mode: GenerationMode, session: requests.Session) -> None:
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck.__members__.values()],
        )
        @given(case=operation.as_strategy(generation_mode=mode), draw=st.data())
        def each(case: Case, draw: st.DataObject) -> None:
            self._there.fill(case, draw)
            response = case.call(base_url=self._url, session=session, timeout=10)
            self.told[response.status_code] += 1
            try:
                case.validate_response(response, checks=checks())
            except (Failure, FailureGroup) as failure:
                found = getattr(failure, "exceptions", [failure])
                self.complaints += [f"{operation.label}: {one}" for one in found]

        # What takes nothing cannot be asked wrongly.
        with suppress(Unsatisfiable):
            each()


# The server is a thread of this process, and draws its jitters while Hypothesis draws its cases.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
async def test_every_route_keeps_its_promise(service: Service) -> None:
    """Shown 4 of the issue: 0 server errors, 0 schema violations."""
    document = describe(make_app(service))
    there = await known(service)

    async with served(service) as url:
        fuzzer = Fuzzer(url, there)
        await asyncio.to_thread(fuzzer.ask, document)

    assert fuzzer.complaints == []
    # It must have come through to what the routes do, not only to what they refuse.
    assert fuzzer.told[200] > 100
    assert fuzzer.told[422] > 50
    assert {201, 400, 404, 409} <= fuzzer.told.keys()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
async def test_a_broken_promise_is_noticed(service: Service) -> None:
    """The test above can fail: an undeclared status and an undeclared field are complaints."""
    document = json.loads(json.dumps(describe(make_app(service))))
    del document["paths"]["/api/v1/runs/{run_id}/steps"]["get"]["responses"]["404"]
    document["components"]["schemas"]["RunCounts"]["properties"]["queued"] = {"type": "string"}
    there = await known(service)

    async with served(service) as url:
        fuzzer = Fuzzer(url, there)
        await asyncio.to_thread(fuzzer.ask, document, "list_steps")
        await asyncio.to_thread(fuzzer.ask, document, "count_runs")

    assert any("GET /api/v1/runs/{run_id}/steps" in each for each in fuzzer.complaints)
    assert any("GET /api/v1/runs/counts" in each for each in fuzzer.complaints)
