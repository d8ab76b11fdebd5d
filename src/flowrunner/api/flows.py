"""What can be launched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from flowrunner.api.deps import Flows
from flowrunner.api.etags import matches
from flowrunner.api.openapi import refusals
from flowrunner.service.catalogue import flow_list, get_flow_detail
from flowrunner.wire.flows import FlowDetail, FlowList

router = APIRouter(prefix="/api/v1", tags=["flows"])


@router.get("/flows", operation_id="list_flows")
async def list_flows(flows: Flows) -> FlowList:
    """List every flow; a broken one is listed with its problems."""
    return flow_list(flows)


@router.get(
    "/flows/{name}",
    operation_id="get_flow",
    responses={304: {"description": "Unchanged since the given ETag."}, **refusals(404)},
)
async def get_flow(
    name: str,
    flows: Flows,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> FlowDetail:
    """Look at one flow: its input's schema, its bands and its steps."""
    found = get_flow_detail(flows, name)
    tag = f'W/"{found.hash}"'
    if matches(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    response.headers["ETag"] = tag
    return found
