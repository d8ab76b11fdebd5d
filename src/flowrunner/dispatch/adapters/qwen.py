"""Qwen Code: any OpenAI-compatible endpoint. Its launcher, which starts it anew, is passed by."""

from __future__ import annotations

import json

from flowrunner.dispatch.adapters.adapter import (
    API_ERROR,
    Adapter,
    Endpoint,
    Package,
    Site,
    Start,
)

_PACKAGE = Package("qwen", "@qwen-code/qwen-code", "0.24.4")
# Safe mode: what the project configures (hooks, permissions, MCP servers) is not read.
_READ_ONLY = ("--auth-type", "openai", "--approval-mode", "plan", "--safe-mode")
_STREAM = ("-o", "stream-json", "--include-partial-messages")
_SETTINGS = {"privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}


def _begin(site: Site, endpoint: Endpoint, *more: str) -> Start:
    address = {} if endpoint.base_url is None else {"OPENAI_BASE_URL": endpoint.base_url}
    return Start(
        argv=(
            str(site.node),
            "--expose-gc",
            site.program(_PACKAGE, "cli.js"),
            *more,
            *_READ_ONLY,
        ),
        env={
            "OPENAI_API_KEY": endpoint.api_key,
            "OPENAI_MODEL": endpoint.model,
            "QWEN_USAGE_STATISTICS_ENABLED": "false",
            "QWEN_CODE_NO_RELAUNCH": "1",
            **address,
        },
        home={".qwen/settings.json": json.dumps(_SETTINGS)},
    )


def _acp(site: Site, endpoint: Endpoint) -> Start:
    return _begin(site, endpoint, "--acp")


def _headless(site: Site, endpoint: Endpoint) -> Start:
    return _begin(site, endpoint, *_STREAM)


QWEN = Adapter(
    name="qwen",
    packages=(_PACKAGE,),
    start=_acp,
    headless=_headless,
    usage="chunks",
    in_band=API_ERROR,
)
