"""Gemini CLI. Its plan mode lets itself out, so what writes is denied by an admin's policy too."""

from __future__ import annotations

import json
import re

from flowrunner.dispatch.adapters.adapter import (
    API_ERROR,
    Adapter,
    Endpoint,
    Package,
    Site,
    Start,
)

_PACKAGE = Package("gemini", "@google/gemini-cli", "0.61.0")
_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "general": {"disableAutoUpdate": True},
}
_DENIED = (
    "write_file",
    "replace",
    "run_shell_command",
    "exit_plan_mode",
    "enter_plan_mode",
    "invoke_agent",
    "save_memory",
    "activate_skill",
)
_POLICY = f"""\
[[rule]]
toolName = {json.dumps(_DENIED)}
decision = "deny"
priority = 999
"""


def _acp(site: Site, endpoint: Endpoint) -> Start:
    address = {} if endpoint.base_url is None else {"GOOGLE_GEMINI_BASE_URL": endpoint.base_url}
    return Start(
        argv=(
            str(site.node),
            site.program(_PACKAGE, "bundle", "gemini.js"),
            *("--acp", "-m", endpoint.model),
            # Without it plan mode is silently dropped in a folder that nobody trusted.
            *("--skip-trust", "--admin-policy", "{HOME}/read-only.toml"),
        ),
        env={"GEMINI_API_KEY": endpoint.api_key, "GEMINI_CLI_NO_RELAUNCH": "true", **address},
        home={".gemini/settings.json": json.dumps(_SETTINGS), "read-only.toml": _POLICY},
        mode="plan",
    )


GEMINI = Adapter(
    name="gemini",
    packages=(_PACKAGE,),
    start=_acp,
    usage="quota",
    notices=(re.compile(r"\[MODE_UPDATE\] \w+\s*"),),
    in_band=API_ERROR,
)
