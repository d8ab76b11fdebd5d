"""Where the flows and personas that come with the program lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(kind: str, package: Path = _PACKAGE) -> Path:
    """Return the folder of *kind*: a checkout's own if this is one, else the wheel's `_data`."""
    checkout = package.parents[1]
    if package.parent.name == "src" and (checkout / "pyproject.toml").is_file():
        return checkout / kind
    return package / "_data" / kind
