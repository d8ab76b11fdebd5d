"""The model behind an address, and how any address is reached."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

import httpx2
import openai
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

from flowrunner.dispatch.apiagent.failing import SettingsError
from flowrunner.dispatch.apiagent.options import Settings

Web: TypeAlias = Mapping[str, Any]
"""How any address is reached: what `httpx2.AsyncClient` is made with."""
_CONNECT_SECONDS = 30.0
_TRIES_MORE = 2


def web_of(settings: Settings) -> Web:
    """Return how to reach addresses. The environment has no say in it."""
    timeout = httpx2.Timeout(_CONNECT_SECONDS, read=settings.silence_seconds)
    web: dict[str, Any] = {"trust_env": False, "timeout": timeout, "proxy": settings.proxy}
    if settings.ca_file is not None:
        try:
            web["verify"] = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(f"ca_file {settings.ca_file} cannot be used: {exc}") from exc
    return web


def model_of(settings: Settings, key: str, client: httpx2.AsyncClient) -> OpenAIChatModel:
    """Return the model. A stream of it that ends without saying that it is whole is an error (P9).

    What fails before anything was said is tried again twice, but for a used-up quota: whether to
    wait for that is not decided here.
    """
    client.event_hooks = {"response": [_do_not_wait]}
    asked = openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=settings.base_url,
        http_client=client,
        max_retries=_TRIES_MORE,
    )
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    return OpenAIChatModel(
        settings.model, provider=OpenAIProvider(openai_client=asked), profile=profile
    )


async def _do_not_wait(response: httpx2.Response) -> None:
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["x-should-retry"] = "false"
