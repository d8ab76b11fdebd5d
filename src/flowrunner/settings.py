"""What operators may set, read once from the environment (FLOWRUNNER_*) and passed on as values."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "FLOWRUNNER_"

Seconds = Annotated[float, Field(gt=0)]
GatePart = Literal["bubblewrap", "namespaces", "landlock"]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Every setting with its default. `flowrunner doctor` shows the effective ones."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_nested_delimiter="__"
    )

    database_url: SecretStr | None = None
    """Where runs are kept; unset: an embedded PostgreSQL in `data`."""
    listen_url: SecretStr | None = None
    """A direct address for LISTEN, where the first one goes through a pooler."""
    migration_url: SecretStr | None = None
    """The tables' owner, where the service's role is another."""
    database_pooled: bool = False
    """The address is a transaction pooler's: no session settings, no prepared statements."""
    prepared_statements: bool = True
    pool_size: Annotated[int, Field(ge=2, le=200)] = 8
    notify_mode: Literal["coalesced", "txn", "off"] = "coalesced"

    data: Path | None = None
    """Where the embedded database and the server's address file lie; default: the user's own."""
    pg_bin: Path | None = None
    on_drift: Literal["pinned", "latest", "pause"] = "pinned"
    """What a run uses when its flow's files changed: the text it began with, today's where the
    graph is the same, or neither: then it pauses."""
    flows: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders with flows, before ./flows, the user's and the shipped ones; separated by ':'."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8700
    hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Further names this server answers to; separated by ','."""
    tokens: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Bearer tokens; demanded when the server is bound beyond loopback. Separated by ','."""
    server: str | None = None
    """Which server the command line talks to."""
    token: SecretStr | None = None
    """The command line's own bearer token."""

    agent: str = "static"
    """The agent that flow tasks get unless a launch names another."""
    agents: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict[str, Mapping[str, Any]])
    """More agents by name, as JSON: {"mine": {"kind": "command", "argv": ["my-agent"]}}."""
    agents_dir: Path = Path("~/.cache/flowrunner/agents")
    """Where `make agents` installs coding agents."""
    wall: Literal["strict", "tool-level"] = "strict"
    """Where no gate keeps agents from writing: run none, or trust their own read-only modes."""
    gates: Annotated[tuple[GatePart, ...] | None, NoDecode] = None
    """Which parts a gate may be made of: bubblewrap, namespaces, landlock, or none; unset: all."""
    agent_ports: Annotated[tuple[Port, ...] | None, NoDecode] = None
    """All that agents may connect to by TCP, such as 443; unset: any. Separated by ','."""
    on_change: Literal["fail", "note"] = "fail"
    """Where the project changed while an agent ran whose gate was proved to forbid it: fail the
    step, or keep its answer and note the change with the attempt."""
    rates: Path | None = None
    """A TOML file that says what tokens of which model cost (docs/agents.md)."""
    model: str | None = None
    slots: Annotated[int, Field(ge=1, le=1000)] = 4
    code_slots: Annotated[int, Field(ge=1, le=200)] = 8
    queues: Annotated[tuple[str, ...], NoDecode] = ("default",)

    lease_seconds: Seconds = 30.0
    renew_seconds: Seconds = 5.0
    lease_margin_seconds: Seconds = 10.0
    reap_seconds: Seconds = 5.0
    start_grace_seconds: Annotated[float, Field(ge=0)] = 10.0
    """After PostgreSQL started: how long nobody is declared dead."""
    patience_seconds: Seconds = 15.0
    """How long a run may have no cause to move before it is repaired."""
    poll_seconds: Seconds = 2.0
    """Between two looks for what no hint told of; two and a half times that where nothing is."""
    drain_seconds: Annotated[float, Field(ge=0)] = 30.0

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("agents_dir")
    @classmethod
    def _at_home(cls, value: Path) -> Path:
        return Path(os.path.expanduser(value))  # noqa: PTH111  # no HOME is no error

    @field_validator("flows", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return _split(value, os.pathsep)

    @field_validator("gates", mode="before")
    @classmethod
    def _split_gates(cls, value: Any) -> Any:
        return () if value == "none" else _split(value, ",")

    @field_validator("hosts", "tokens", "queues", "agent_ports", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return _split(value, ",")

    def agent_names(self) -> tuple[str, ...]:
        """What a launch may name; `static` is always there (DESIGN section 11)."""
        return tuple(sorted({"static", *self.agents}))


def _split(value: Any, by: str) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(by) if part.strip())
    return value


def environment() -> dict[str, str]:
    """The process's environment, for those few who pass a part of it on."""
    return dict(os.environ)


def unknown_variables() -> dict[str, str | None]:
    """Misspelt FLOWRUNNER_* variables, each with the closest setting: unset is not default."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {
        "FLOWRUNNER_TEST_DATABASE_URL"
    }
    unknown: dict[str, str | None] = {}
    for name in os.environ:
        if name.startswith(PREFIX) and name.split("__")[0] not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            unknown[name] = close[0] if close else None
    return unknown
