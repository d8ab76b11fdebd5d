"""Codex through its ACP adapter: the endpoint must speak the Responses protocol."""

from __future__ import annotations

import json
import re

from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Package, Site, Start

_PACKAGE = Package("codex", "@agentclientprotocol/codex-acp", "2.6.0")
_PROGRAM = Package("codex", "@openai/codex", "0.166.0")
_KEY = "CODEX_PROVIDER_KEY"
_VENDOR = "https://api.openai.com/v1"


def _config(endpoint: Endpoint) -> str:
    """Write TOML; a JSON string is a TOML string. Commands do not get the key."""
    return f"""\
model = {json.dumps(endpoint.model)}
model_provider = "flowrunner"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.flowrunner]
name = "flowrunner"
base_url = {json.dumps(endpoint.base_url or _VENDOR)}
env_key = "{_KEY}"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1

[analytics]
enabled = false

[features]
plugins = false

[shell_environment_policy]
ignore_default_excludes = false
exclude = ["{_KEY}"]
"""


def _acp(site: Site, endpoint: Endpoint) -> Start:
    return Start(
        argv=(str(site.node), site.program(_PACKAGE, "dist", "index.js")),
        env={_KEY: endpoint.api_key},
        home={".codex/config.toml": _config(endpoint)},
        mode="read-only",
    )


CODEX = Adapter(
    name="codex",
    packages=(_PACKAGE, _PROGRAM),
    start=_acp,
    usage="reply",
    gated_mode="agent-full-access",
    # The ACP adapter trusts every project, and with it the servers that its file names.
    hides=(".codex",),
    notices=(re.compile(r"Warning: Model metadata for `[^`\n]*` not found\.[^\n]*\s*"),),
    in_band=(
        re.compile(r'\A\{\s*"error"\s*:'),
        re.compile(r"\A(?:You.ve hit your usage limit|We.re currently experiencing high demand)"),
        re.compile(r"\A(?:stream disconnected before|unexpected status|exceeded retry limit)"),
    ),
)
