"""An adapter: one agent as values, and a function or two that make more of them (P8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import JsonValue

from flowrunner.dispatch.acp.messages import NOTHING, Json

UsagePlace: TypeAlias = Literal["chunks", "reply", "quota"]
"""Where tokens are told: beside pieces of text, in the answer to the prompt, or in its quota."""


API_ERROR = (
    re.compile(r"\A\[API Error: .*\]\s*\Z", re.DOTALL),
    re.compile(r"(?:^|\s)\[API Error: [^\n\"{}]*\]\s*\Z"),
)
"""How qwen and gemini tell an error: instead of an answer, or after half of one."""


@dataclass(frozen=True, slots=True)
class Package:
    """One exact version of an npm package, installed in *folder* of the agents' directory."""

    folder: str
    name: str
    version: str

    def at(self, agents: Path) -> Path:
        return agents / self.folder / "node_modules" / self.name


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of our own package: the distributions it brings, each in one major version."""

    name: str
    majors: Mapping[str, int]


NODE = Package("node", "node", "22.23.3")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The model, where it is asked, and the key; no address means the vendor's own."""

    model: str
    api_key: str = field(repr=False)
    base_url: str | None = None
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue], repr=False)
    """What only this agent's adapter understands; it may hold secrets."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where programs are: the agents' directory, and the Node.js that runs them."""

    agents: Path
    node: Path

    def program(self, package: Package, *names: str) -> str:
        return str(package.at(self.agents).joinpath(*names))

    def script(self, folder: str, name: str) -> str:
        return str(self.agents / folder / "node_modules" / ".bin" / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How one task begins. *env* is all of the agent's own variables; *home* lies in its HOME.

    *mode* is asked for once the session is open, *meta* goes along when it opens.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    home: Mapping[str, str] = field(default_factory=dict[str, str])
    mode: str | None = None
    meta: Json = field(default_factory=lambda: NOTHING)


Starting: TypeAlias = Callable[[Site, Endpoint], Start]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One agent.

    *packages* begins with the one whose program is started; where that is ours there are none, and
    it has an *extra*. *gated_mode* replaces the mode where our own wall was proved and the agent's
    own sandbox cannot work within it. *notices* are what the program says in its own name among the
    answer; *in_band* is how errors look that are told as if they were the answer: all of it, or its
    end, for an answer may well be about such an error.
    """

    name: str
    packages: tuple[Package, ...]
    start: Starting
    usage: UsagePlace
    gated_mode: str | None = None
    headless: Starting | None = None
    headless_package: Package | None = None
    notices: tuple[re.Pattern[str], ...] = ()
    in_band: tuple[re.Pattern[str], ...] = ()
    needs_node: bool = True
    hides: tuple[str, ...] = ()
    """Folders of a project that the program would run something from, whatever its options say."""
    extra: Extra | None = None
