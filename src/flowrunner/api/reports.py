"""A finished run's report, as people or as machines read it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from flowrunner.api.deps import AskedRun, Reading
from flowrunner.api.errors import NotAcceptableError
from flowrunner.api.openapi import refusals
from flowrunner.service.views import NoReportError
from flowrunner.wire.runs import ReportBody

router = APIRouter(prefix="/api/v1", tags=["reports"])

Format: TypeAlias = Literal["md", "json", "sarif"]
TYPES: dict[Format, str] = {
    "md": "text/markdown",
    "json": "application/json",
    "sarif": "application/sarif+json",
}


@router.get(
    "/runs/{run_id}/report",
    operation_id="report",
    responses={
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "application/sarif+json": {"schema": {"type": "object"}},
            }
        },
        **refusals(404, 406, 409),
    },
)
async def report(
    run_id: AskedRun,
    reading: Reading,
    format: Annotated[Format | None, Query(description="Wins over Accept.")] = None,  # noqa: A002  # the parameter's name
    accept: Annotated[str, Header()] = "*/*",
) -> ReportBody:
    """Get the report: Markdown unless something else is asked for."""
    chosen = format or negotiate(accept)
    if chosen is None:
        known = ", ".join(TYPES.values())
        raise NotAcceptableError("no accepted format can be had", hint=f"known: {known}")
    found = await reading.report(run_id)
    headers = {"Vary": "Accept"}
    if chosen == "md":
        text = found.body.markdown
        return Response(text, headers=headers, media_type=TYPES["md"])  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    if chosen == "sarif":
        if found.sarif is None:
            raise NoReportError("this flow's report has no SARIF", hint="ask for md or json")
        return JSONResponse(found.sarif, headers=headers, media_type=TYPES["sarif"])  # pyright: ignore[reportReturnType]
    return found.body


def negotiate(accept: str) -> Format | None:
    """Choose what the Accept header likes best; of equals, the first of ours."""
    likes = [_like(part) for part in accept.split(",")]
    best: tuple[float, Format] | None = None
    for name, kind in TYPES.items():
        # The most specific range that fits decides (RFC 9110).
        fits = [(each.count("*"), q) for each, q in likes if _fits(each, kind)]
        quality = min(fits)[1] if fits else 0.0
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, name)
    return best[1] if best else None


def _like(part: str) -> tuple[str, float]:
    name, *parameters = part.replace(" ", "").lower().split(";")
    given = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    try:
        return name, float(given)
    except ValueError:
        return name, 0.0


def _fits(wanted: str, kind: str) -> bool:
    return wanted in {kind, "*/*", f"{kind.partition('/')[0]}/*"}
