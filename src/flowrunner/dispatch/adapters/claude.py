"""Claude Code, through its ACP adapter or headless. Only the user's settings are read."""

from __future__ import annotations

import re

from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Package, Site, Start

_PACKAGE = Package("claude", "@agentclientprotocol/claude-agent-acp", "0.100.0")
_PROGRAM = Package("claude-code", "@anthropic-ai/claude-code", "2.1.328")
_TOOLS = ("Read", "Glob", "Grep")
# A project's own settings may send key and prompt to an address of its choice: never read them.
_META = {
    "claudeCode": {
        "options": {"settingSources": ["user"], "strictMcpConfig": True, "tools": list(_TOOLS)}
    }
}
_STREAM = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")


def _env(site: Site, endpoint: Endpoint) -> dict[str, str]:
    address = {} if endpoint.base_url is None else {"ANTHROPIC_BASE_URL": endpoint.base_url}
    return {
        # No git is found there: it asks one for the state of the project, and one that runs the
        # filters which the project's own configuration names. None of its tools needs a program.
        "PATH": str(site.node.parent),
        "ANTHROPIC_API_KEY": endpoint.api_key,
        "ANTHROPIC_MODEL": endpoint.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
        **address,
    }


def _acp(site: Site, endpoint: Endpoint) -> Start:
    return Start(
        argv=(str(site.node), site.program(_PACKAGE, "dist", "index.js")),
        env=_env(site, endpoint),
        mode="plan",
        meta=_META,
    )


def _headless(site: Site, endpoint: Endpoint) -> Start:
    return Start(
        argv=(
            site.script("claude-code", "claude"),
            "-p",
            *("--permission-mode", "plan", "--setting-sources", "user", "--strict-mcp-config"),
            "--tools=" + ",".join(_TOOLS),
            *_STREAM,
        ),
        env=_env(site, endpoint),
    )


CLAUDE = Adapter(
    name="claude",
    packages=(_PACKAGE,),
    start=_acp,
    headless=_headless,
    headless_package=_PROGRAM,
    usage="reply",
    notices=(re.compile(r"\*\*Warning:\*\* We're changing auto mode [^\n]*\s*"),),
    in_band=(
        re.compile(r"\A(?:Failed to authenticate\. )?API Error: "),
        re.compile(r"\A(?:Claude(?: AI)? usage limit reached|You've hit your limit)"),
        re.compile(r"\A(?:Credit balance is too low|Invalid API key)"),
    ),
)
