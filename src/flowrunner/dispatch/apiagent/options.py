"""What an operator may say about an API agent, in the words of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAME = r"^[A-Za-z0-9][A-Za-z0-9-]{0,29}$"
VENDOR = "https://api.openai.com/v1"
Address: TypeAlias = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FromFile(_Model):
    """A secret that lies in a file; it is read when it is needed, and copied nowhere."""

    file: Path

    @field_validator("file")
    @classmethod
    def _is_absolute(cls, file: Path) -> Path:
        if not file.is_absolute():
            msg = "must be absolute: a relative one would be looked for in the project"
            raise ValueError(msg)
        return file


Secret: TypeAlias = str | FromFile


class OAuth(_Model):
    """A login without a person: client credentials, or a refresh token that a person got once.

    Credentials go to *token_url*, or where *issuer* says that its token endpoint is: never where
    only the MCP server says so.
    """

    client_id: str = Field(min_length=1)
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    token_url: Address | None = None
    issuer: Address | None = None
    scopes: tuple[str, ...] = ()
    resource: str | None = None
    """What the token is for: the server's address unless said otherwise, unsaid if empty."""
    authentication: Literal["basic", "post"] = "basic"

    @model_validator(mode="after")
    def _is_whole(self) -> OAuth:
        if (self.token_url is None) == (self.issuer is None):
            msg = "say either token_url or issuer: where the credentials may go"
            raise ValueError(msg)
        if self.client_secret is None and self.refresh_token is None:
            msg = "say client_secret, refresh_token or both"
            raise ValueError(msg)
        return self


class _Server(_Model):
    tools: tuple[str, ...] | None = None
    """Those that the model is offered; None for all of them."""
    call_seconds: float = Field(default=120.0, gt=0)


class HttpServer(_Server):
    """An MCP server behind an address."""

    url: Address
    headers: dict[str, Secret] = {}
    oauth: OAuth | None = None


class StdioServer(_Server):
    """An MCP server that is started for each task; *env* is added to PATH, HOME and TMPDIR."""

    command: str = Field(min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, Secret] = {}

    @field_validator("command")
    @classmethod
    def _is_no_relative_path(cls, command: str) -> str:
        if "/" in command and not Path(command).is_absolute():
            msg = "give an absolute path, or a name that is on PATH"
            raise ValueError(msg)
        return command


McpServer: TypeAlias = HttpServer | StdioServer


class Options(_Model):
    """The part of an agent's settings that only this agent has."""

    mcp: dict[Annotated[str, Field(pattern=NAME)], McpServer] = {}
    request_limit: int = Field(default=60, gt=0)
    """How often the model is asked for one task."""
    tool_limit: int = Field(default=300, gt=0)
    """How many tool calls may succeed."""
    silence_seconds: float = Field(default=600.0, gt=0)
    """How long the model may say nothing in the middle of an answer."""
    proxy: Address | None = None
    """The environment's proxies are not used: say here which one is."""
    ca_file: Path | None = None


class Settings(Options):
    """All that the program is told, but for the key."""

    model: str = Field(min_length=1)
    base_url: Address = VENDOR
