"""What can be launched, how it looks, and what is wrong with what cannot."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from flowrunner import __version__
from flowrunner.api.deps import Flows
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.openapi import refusals
from flowrunner.service.catalogue import flow_list, get_flow_detail, validate_text
from flowrunner.service.graphs import draw, graph_of
from flowrunner.wire.flows import FlowDetail, FlowGraph, FlowList, ValidateBody, Validation

router = APIRouter(prefix="/api/v1", tags=["flows"])

_SVG = "image/svg+xml"


@router.get("/flows", operation_id="list_flows", responses={**UNCHANGED})
async def list_flows(
    flows: Flows, response: Response, if_none_match: IfNoneMatch = None
) -> FlowList:
    """List every flow; a broken one is listed with its problems."""
    found = flow_list(flows)
    told = sha256(found.model_dump_json().encode()).hexdigest()[:32]
    tag = f'W/"{told}-{__version__}"'
    if matches(if_none_match, tag):
        return unchanged(tag)  # pyright: ignore[reportReturnType]  # as below
    response.headers["ETag"] = tag
    return found


@router.post("/flows/validate", operation_id="validate_flow")
async def validate_flow(flows: Flows, body: ValidateBody) -> Validation:
    """Check the text of a YAML flow: every problem at once, each with line and column."""
    return validate_text(flows, body)


@router.get("/flows/{name}", operation_id="get_flow", responses={**UNCHANGED, **refusals(404)})
async def get_flow(
    name: str, flows: Flows, response: Response, if_none_match: IfNoneMatch = None
) -> FlowDetail:
    """Look at one flow: its input's schema, its bands and its steps."""
    found = get_flow_detail(flows, name)
    tag = f'W/"{found.hash}-{__version__}"'
    if matches(if_none_match, tag):
        return unchanged(tag)  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    response.headers["ETag"] = tag
    return found


@router.get(
    "/flows/{name}/graph", operation_id="flow_graph", responses={**UNCHANGED, **refusals(404)}
)
async def flow_graph(
    name: str, flows: Flows, response: Response, if_none_match: IfNoneMatch = None
) -> FlowGraph:
    """Get a flow's graph, laid out from left to right."""
    found = get_flow_detail(flows, name)
    tag = f'W/"{found.hash}-graph-{__version__}"'
    if matches(if_none_match, tag):
        return unchanged(tag)  # pyright: ignore[reportReturnType]
    response.headers["ETag"] = tag
    return graph_of(found)


@router.get(
    "/flows/{name}/graph.svg",
    operation_id="flow_picture",
    response_class=Response,
    responses={
        200: {"content": {_SVG: {"schema": {"type": "string"}}}},
        **UNCHANGED,
        **refusals(404),
    },
)
async def flow_picture(
    name: str,
    flows: Flows,
    theme: Annotated[Literal["light", "dark"], Query(description="Which colours.")] = "light",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Get a flow's graph as an SVG without style or script."""
    found = get_flow_detail(flows, name)
    tag = f'W/"{found.hash}-{theme}-{__version__}"'
    if matches(if_none_match, tag):
        return unchanged(tag)
    headers = {"ETag": tag, "Content-Security-Policy": "default-src 'none'"}
    return Response(draw(found, "svg", theme=theme), media_type=_SVG, headers=headers)
