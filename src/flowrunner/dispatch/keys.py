"""A provider's key, from where the operator keeps it; nobody else gets to see it."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.dispatch.agents import ModelAgent
from flowrunner.wire.tasks import TaskError

NO_KEY = "none"
"""What an endpoint of one's own gets that asks for none: programs refuse to start without."""
_HINT = "set api_key_file, api_key_env or api_key of the agent"


def key_of(name: str, agent: ModelAgent, environment: Mapping[str, str]) -> str | TaskError:
    """Return the key of agent *name*, or why there is none. Reads its file, if it has one."""
    if agent.api_key is not None:
        return agent.api_key.get_secret_value()
    if agent.api_key_env is not None:
        found = environment.get(agent.api_key_env, "").strip()
        return found or _missing(name, f"{agent.api_key_env} is not set")
    if agent.api_key_file is None:
        return NO_KEY if agent.base_url is not None else _missing(name, "none is configured")
    try:
        found = agent.api_key_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        told = exc.strerror if isinstance(exc, OSError) else "it is not text"
        return _missing(name, f"{agent.api_key_file} cannot be read: {told}")
    return found or _missing(name, f"{agent.api_key_file} is empty")


def _missing(name: str, why: str) -> TaskError:
    return TaskError(code="key_missing", message=f"agent {name!r} has no key: {why}", hint=_HINT)
