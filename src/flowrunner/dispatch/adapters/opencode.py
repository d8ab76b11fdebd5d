"""OpenCode. Its plan mode allows the shell, so tools are permitted by name.

A project's plugins run all the same, where the gate cannot hide them. Usage is that of the last
model call.
"""

from __future__ import annotations

import json

from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Package, Site, Start

_PACKAGE = Package("opencode", "opencode-ai", "1.18.33")
_PERMITTED = {"*": "deny", "read": "allow", "grep": "allow", "glob": "allow", "list": "allow"}
_SWITCHES = ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "PROJECT_CONFIG", "LSP_DOWNLOAD")


def _config(endpoint: Endpoint) -> str:
    model = f"flowrunner/{endpoint.model}"
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "flowrunner",
        "options": {"baseURL": endpoint.base_url, "apiKey": "{env:OPENCODE_PROVIDER_KEY}"},
        "models": {endpoint.model: {"name": endpoint.model}},
    }
    return json.dumps(
        {
            "model": model,
            "small_model": model,
            "provider": {"flowrunner": provider},
            "share": "disabled",
            "autoupdate": False,
            # Else it has git read all of the project, and touch its objects.
            "snapshot": False,
        }
    )


def _acp(site: Site, endpoint: Endpoint) -> Start:
    return Start(
        argv=(site.script("opencode", "opencode"), "acp"),
        env={
            "OPENCODE_PROVIDER_KEY": endpoint.api_key,
            "OPENCODE_CONFIG": "{HOME}/opencode.json",
            "OPENCODE_PERMISSION": json.dumps(_PERMITTED),
            **{f"OPENCODE_DISABLE_{switch}": "1" for switch in _SWITCHES},
        },
        home={"opencode.json": _config(endpoint)},
        mode="plan",
    )


OPENCODE = Adapter(
    name="opencode",
    packages=(_PACKAGE,),
    start=_acp,
    usage="reply",
    needs_node=False,
    hides=(".opencode",),
)
