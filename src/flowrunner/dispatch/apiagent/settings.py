"""What the API agent is told by whoever starts it: a key, and a file with everything else."""

from __future__ import annotations

import os
from pathlib import Path

from flowrunner.dispatch.apiagent.options import FromFile, Secret, Settings

KEY = "FLOWRUNNER_API_KEY"


def key_from_environment() -> str:
    """Return the key. What this process starts gets an environment of its own, without it."""
    return os.environ.get(KEY, "")


def private_home() -> str:
    return os.environ.get("HOME", "/")


def read_settings(file: Path) -> Settings:
    """Raise OSError or pydantic's ValidationError."""
    return Settings.model_validate_json(file.read_bytes())


def revealed(secret: Secret) -> str:
    """Return what is meant. Raise OSError or UnicodeError where it cannot be read."""
    if isinstance(secret, FromFile):
        return secret.file.read_text(encoding="utf-8").strip()
    return secret
