"""All agents that this version knows."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.dispatch.adapters.adapter import NODE, Adapter, Package
from flowrunner.dispatch.adapters.api import API
from flowrunner.dispatch.adapters.claude import CLAUDE
from flowrunner.dispatch.adapters.codex import CODEX
from flowrunner.dispatch.adapters.copilot import COPILOT
from flowrunner.dispatch.adapters.gemini import GEMINI
from flowrunner.dispatch.adapters.opencode import OPENCODE
from flowrunner.dispatch.adapters.qwen import QWEN

ADAPTERS: Mapping[str, Adapter] = {
    adapter.name: adapter for adapter in (QWEN, GEMINI, CODEX, CLAUDE, OPENCODE, COPILOT, API)
}


def packages_of(adapter: Adapter) -> tuple[Package, ...]:
    """Return all that must be installed for *adapter*, Node.js first; nothing for one of ours."""
    if not adapter.packages:
        return ()
    more = () if adapter.headless_package is None else (adapter.headless_package,)
    return (NODE, *adapter.packages, *more)
