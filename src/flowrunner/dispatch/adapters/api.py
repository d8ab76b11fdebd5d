"""Our own agent, which asks a model itself: any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import json

from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Extra, Site, Start
from flowrunner.dispatch.apiagent import agent_argv
from flowrunner.dispatch.apiagent.settings import KEY

_SETTINGS = "api-agent.json"
_EXTRA = Extra("api", {"pydantic-ai-slim": 2, "mcp": 2})


def _acp(_site: Site, endpoint: Endpoint) -> Start:
    address = {} if endpoint.base_url is None else {"base_url": endpoint.base_url}
    settings = {**endpoint.options, "model": endpoint.model, **address}
    return Start(
        argv=agent_argv(f"{{HOME}}/{_SETTINGS}"),
        env={KEY: endpoint.api_key},
        home={_SETTINGS: json.dumps(settings)},
    )


API = Adapter(name="api", packages=(), start=_acp, usage="chunks", needs_node=False, extra=_EXTRA)
