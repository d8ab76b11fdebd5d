"""Copilot CLI, offline and with one's own endpoint. Its shell could write, so it has none."""

from __future__ import annotations

import re

from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Package, Site, Start

_PACKAGE = Package("copilot", "@github/copilot", "1.0.102")
_VENDOR = "https://api.openai.com/v1"


def _acp(site: Site, endpoint: Endpoint) -> Start:
    return Start(
        argv=(
            site.script("copilot", "copilot"),
            *("--acp", "--no-ask-user", "--available-tools=view,grep,glob"),
        ),
        env={
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
            "COPILOT_PROVIDER_BASE_URL": endpoint.base_url or _VENDOR,
            "COPILOT_PROVIDER_API_KEY": endpoint.api_key,
            "COPILOT_MODEL": endpoint.model,
        },
    )


COPILOT = Adapter(
    name="copilot",
    packages=(_PACKAGE,),
    start=_acp,
    usage="reply",
    # Its hooks are commands; there is no option that leaves them out.
    hides=(".github/hooks", ".github/copilot"),
    notices=(
        re.compile(r"Info: Disabled tools: [^\n]*\s*"),
        re.compile(r"Info: Request failed due to a transient API error\. Retrying\.\.\.\s*"),
    ),
    in_band=(
        re.compile(r"\AError: (?:Authentication failed with|Failed to get response|[45]\d\d )"),
    ),
)
