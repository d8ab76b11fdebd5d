"""A finished run's report, as people or as machines read it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from flowrunner import __version__
from flowrunner.api.deps import AskedRun, Reading
from flowrunner.api.errors import NotAcceptableError
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.openapi import refusals
from flowrunner.api.pages import POLICY, page_of
from flowrunner.service.views import NoReportError, Report
from flowrunner.wire.runs import ReportBody

router = APIRouter(prefix="/api/v1", tags=["reports"])

Format: TypeAlias = Literal["md", "json", "sarif", "html"]
TYPES: dict[Format, str] = {
    "md": "text/markdown",
    "json": "application/json",
    "sarif": "application/sarif+json",
    "html": "text/html",
}


@router.get(
    "/runs/{run_id}/report",
    operation_id="report",
    responses={
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "application/sarif+json": {"schema": {"type": "object"}},
                "text/html": {"schema": {"type": "string"}},
            }
        },
        **UNCHANGED,
        **refusals(404, 406, 409),
    },
)
async def report(
    *,
    run_id: AskedRun,
    reading: Reading,
    format: Annotated[Format | None, Query(description="Wins over Accept.")] = None,  # noqa: A002  # the parameter's name
    accept: Annotated[str, Header()] = "*/*",
    if_none_match: IfNoneMatch = None,
) -> ReportBody:
    """Get the report: Markdown unless something else is asked for. Its ETag changes with it."""
    chosen = format or negotiate(accept)
    if chosen is None:
        known = ", ".join(TYPES.values())
        raise NotAcceptableError("no accepted format can be had", hint=f"known: {known}")
    found = await reading.report(run_id)
    if chosen == "sarif" and found.sarif is None:
        raise NoReportError("this flow's report has no SARIF", hint="ask for md or json")
    tag = f'"{found.ref}-{chosen}-{__version__}"'
    headers = {"Vary": "Accept", "ETag": tag}
    if matches(if_none_match, tag):
        return unchanged(tag, headers)  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    return _sent(found, chosen, headers)  # pyright: ignore[reportReturnType]


def _sent(found: Report, chosen: Format, headers: dict[str, str]) -> Response:
    match chosen:
        case "md":
            return Response(found.body.markdown, headers=headers, media_type=TYPES["md"])
        case "html":
            headers["Content-Security-Policy"] = POLICY
            return Response(page_of(found.body), headers=headers, media_type=TYPES["html"])
        case "sarif":
            return JSONResponse(found.sarif, headers=headers, media_type=TYPES["sarif"])
        case "json":
            return JSONResponse(found.body.model_dump(mode="json"), headers=headers)


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
