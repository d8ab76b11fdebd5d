"""Which agents are installed, in exactly which versions: others are not started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from flowrunner.dispatch.acp.messages import section, text_at
from flowrunner.dispatch.adapters.adapter import NODE, Adapter, Extra, Package, Site
from flowrunner.dispatch.adapters.table import packages_of
from flowrunner.wire.tasks import TaskError

_HINT = "install the agents again: make agents"


def site_of(agents: Path) -> Site:
    """Return where programs are in the *agents* directory, whether they are there or not."""
    return Site(agents, NODE.at(agents) / "bin" / "node")


def check(adapter: Adapter, site: Site, *, headless: bool = False) -> TaskError | None:
    """Return why *adapter* cannot be started, None if it can: all that it needs is as pinned."""
    return next(_problems(adapter, site, headless=headless), None)


def installed_version(package: Package, agents: Path) -> str | None:
    """Return the version that is there, None if there is none."""
    try:
        text = (package.at(agents) / "package.json").read_text(encoding="utf-8")
        told: object = json.loads(text)
    except (OSError, ValueError):
        return None
    return text_at(section(told), "version") or None


def _problems(adapter: Adapter, site: Site, *, headless: bool) -> Iterator[TaskError]:
    if adapter.extra is not None:
        yield from _lacking(adapter.extra)
    wanted = packages_of(adapter)
    if adapter.headless_package is not None:
        wanted = (NODE, adapter.headless_package) if headless else (NODE, *adapter.packages)
    for package in wanted:
        found = installed_version(package, site.agents)
        if found is None:
            message = f"{package.name} is not installed in {site.agents}"
            yield TaskError(code="agent_not_found", message=message, hint=_HINT)
        elif found != package.version:
            message = f"{package.name} is {found}; {adapter.name} was tried with {package.version}"
            yield TaskError(code="agent_version_mismatch", message=message, hint=_HINT)


def _lacking(extra: Extra) -> Iterator[TaskError]:
    hint = f"pip install 'flowrunner[{extra.name}]'"
    for name, major in extra.majors.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            message = f"{name} is not installed beside flowrunner"
            yield TaskError(code="agent_not_found", message=message, hint=hint)
        else:
            if found.partition(".")[0] != str(major):
                message = f"{name} is {found}; the agent was written for version {major}"
                yield TaskError(code="agent_version_mismatch", message=message, hint=hint)
