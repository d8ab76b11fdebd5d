"""What the tests of the wall share."""

from __future__ import annotations

import secrets
from collections.abc import Generator

import pytest

from dispatch.gates import stage
from dispatch.gates.scenes import Scene


@pytest.fixture
def scene(user: str) -> Generator[Scene]:
    """A project and a folder of the user's own."""
    who = stage.actor(user)
    with stage.ground(who.user) as folder:
        project = stage.a_project(folder, who.user)
        yield Scene(who, folder, project, f"hostile-{secrets.token_hex(8)}")
