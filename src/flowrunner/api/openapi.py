"""Says in OpenAPI what really happens: which refusals each route has, in the one shape."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from flowrunner import __version__
from flowrunner.wire.problems import MEDIA_TYPE, ProblemBody

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 401, 403, 421, 422, 500, 503)
_WITH_BODY = (413, 415)
_WORDS = {
    400: "The request cannot be read.",
    401: "A token is needed.",
    403: "The request comes from a page of another site, or others may decide this.",
    404: "There is no such thing.",
    406: "None of the accepted formats can be had.",
    409: "The state forbids the request.",
    410: "Nobody decided in time.",
    413: "The body is too large.",
    415: "The body must be JSON.",
    416: "The range begins after the end.",
    421: "This server does not answer to that name.",
    422: "Values are not acceptable: all problems, each with its place.",
    500: "Something went wrong here.",
    503: "The service is not available now; Retry-After says when to ask again.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare that a route may refuse with *statuses*, beside those that every route has."""
    return {status: _response(status) for status in statuses}


def describe(app: FastAPI) -> dict[str, Any]:
    """Build the document once; its refusals are what the table in `errors` answers."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Flowrunner",
            version=__version__,
            summary="Runs flows of coding agents over a code base, durably and read-only.",
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        told = ProblemBody.model_json_schema(ref_template=_REF)
        schemas.update(told.pop("$defs", {}))
        schemas["ProblemBody"] = told
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for path in document["paths"].values():
            for operation in path.values():
                _complete(operation)
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{}, {"bearer": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any]) -> None:
    needed = (*_ALWAYS, *(_WITH_BODY if "requestBody" in operation else ()))
    for status in needed:
        operation["responses"].setdefault(str(status), _response(status))
    # FastAPI's own 422 is not what we answer.
    operation["responses"]["422"] = _response(422)


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {"description": _WORDS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
