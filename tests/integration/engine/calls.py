"""Flows whose one code step makes calls, and what it returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fixtures.databases import Database
from fixtures.libraries import a_definition, a_flow, code
from fixtures.runs import report
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.library import Library

Body = Callable[[Context], Awaitable[object]]
PERSONA = {"verifier": "You doubt."}


def calling(body: Body, *more: Any, **options: Any) -> Library:
    """A flow whose code step `v` makes the calls of *body*; its report holds what that returned."""
    return shelved(a_flow(code("v", run=body, **options), *more, render=shown))


def shelved(flow: Flow) -> Library:
    definition = a_definition(flow, personas=PERSONA)
    return Library({flow.name: definition}, {}, (), ())


def shown(ctx: ReportContext) -> Report:
    return Report("#", data={"v": ctx.results.get("v"), "failed": list(ctx.census.failed)})  # pyright: ignore[reportArgumentType]  # JSON, as it was stored


async def returned(database: Database, run_id: RunId) -> Any:
    return (await report(database, run_id))["v"]
