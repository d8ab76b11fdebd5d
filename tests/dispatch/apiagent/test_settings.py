"""Who has a say in what the API agent does: the operator, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch.adapters.real import a_project
from dispatch.apiagent.endpoint import an_endpoint, text
from dispatch.apiagent.stage import ask, failure
from flowrunner.dispatch.apiagent.options import Options

pytestmark = pytest.mark.anyio


async def test_the_project_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P8, D3-12: neither modules nor settings of it are read, nor those of our environment."""
    project = a_project(tmp_path)
    planted = "open('/proc/self/fd/2', 'w').write('PLANTED'); raise SystemExit(1)"
    for name in ("sitecustomize", "usercustomize", "pydantic_ai", "openai", "json", "flowrunner"):
        (project / f"{name}.py").write_text(planted, encoding="utf-8")
    (project / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:9/v1\n", encoding="utf-8")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PYTHONPATH", str(project))
    before = sorted(project.iterdir())
    with an_endpoint(text("Well.")) as endpoint:
        played = await ask(endpoint.address, project)

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    assert sorted(project.iterdir()) == before


async def test_a_proxy_is_used_where_it_is_named(tmp_path: Path) -> None:
    """F49: by the settings, and by nothing else."""
    with an_endpoint(text("By proxy.")) as proxy:
        address = proxy.address.removesuffix("/v1")
        played = await ask("http://nowhere.invalid/v1", a_project(tmp_path), proxy=address)

    assert played.judgement.report.output == "By proxy."
    assert proxy.headers[0]["host"] == "nowhere.invalid"


@pytest.mark.parametrize(
    "options",
    [
        {"request_limit": 0},
        {"mcp": {"docs": {"url": "ftp://nowhere"}}},
        {"unheard": 1},
        {"ca_file": "/nowhere/ca.pem"},
    ],
    ids=["limit", "server", "unknown", "authorities"],
)
async def test_settings_that_are_wrong(tmp_path: Path, options: dict[str, Any]) -> None:
    """P11: they are told before anything is spent, and trying again changes nothing."""
    with an_endpoint(text("Well.")) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path), **options)

    assert failure(played) == ("request_refused", "fatal")
    error = played.judgement.report.error
    assert error is not None
    assert next(iter(options)) in error.message
    assert endpoint.asked == []


OAUTH = {"client_id": "flow", "client_secret": "s", "token_url": "https://login/token"}


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"url": "https://docs", "oauth": {**OAUTH, "token_url": None}}, "where the credentials"),
        ({"url": "https://docs", "oauth": {**OAUTH, "issuer": "https://login"}}, "where the cred"),
        ({"url": "https://docs", "oauth": {**OAUTH, "client_secret": None}}, "client_secret, ref"),
        ({"url": "https://docs", "headers": {"a": {"file": "relative"}}}, "must be absolute"),
        ({"command": "./server"}, "give an absolute path"),
        ({"url": "https://docs", "command": "server"}, "Extra inputs are not permitted"),
    ],
    ids=["nowhere", "two-places", "no-secret", "relative-file", "relative-program", "both"],
)
def test_servers_that_make_no_sense(server: dict[str, Any], told: str) -> None:
    """P11, R3-24: what is wrong with them can be said before any task begins."""
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"mcp": {"docs": server}})

    assert told in str(caught.value)


def test_a_server_has_a_name_that_models_can_say() -> None:
    """F49: it becomes the beginning of its tools' names."""
    with pytest.raises(ValidationError, match="pattern"):
        Options.model_validate({"mcp": {"do cs": {"url": "https://docs"}}})
    assert Options.model_validate({"mcp": {"docs": {"url": "https://docs", "oauth": OAUTH}}}).mcp
