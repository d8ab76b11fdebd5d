"""Put agents where they can be found, in exactly the versions that were tried."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from flowrunner.core.errors import InvalidInputError, UnavailableError
from flowrunner.dispatch.adapters.adapter import Adapter, Package
from flowrunner.dispatch.adapters.installed import installed_version
from flowrunner.dispatch.adapters.table import packages_of

_NOT_WANTED = ("--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
_SAID_LAST = 2000


def install(agents: Path, adapters: Sequence[Adapter], npm: str) -> Iterator[str]:
    """Install what is missing or of another version, and yield a line for each folder.

    Raise InvalidInputError for a folder within a repository, UnavailableError where npm fails.
    """
    agents = agents.absolute()
    inside = next((place for place in (agents, *agents.parents) if (place / ".git").exists()), None)
    if inside is not None:
        raise InvalidInputError(f"{agents} lies in the repository {inside}", [])
    for folder, packages in by_folder(adapters).items():
        names = " ".join(f"{package.name}@{package.version}" for package in packages)
        if all(installed_version(package, agents) == package.version for package in packages):
            yield f"{folder}: {names} is there"
        else:
            _install(agents / folder, packages, npm)
            yield f"{folder}: {names} installed"


def by_folder(adapters: Sequence[Adapter]) -> dict[str, list[Package]]:
    """Return what is installed together: packages that share a folder must agree."""
    folders: dict[str, list[Package]] = {}
    for adapter in adapters:
        for package in packages_of(adapter):
            together = folders.setdefault(package.folder, [])
            if package not in together:
                together.append(package)
    return folders


def _install(folder: Path, packages: Sequence[Package], npm: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # npm looks for a package.json further up, and would install there.
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    # Exact versions: otherwise npm picks others by the version of the Node.js it runs on.
    wanted = [f"{package.name}@{package.version}" for package in packages]
    done = subprocess.run(  # noqa: S603  # npm, and the names of our own table
        [npm, "install", *_NOT_WANTED, *wanted],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        told = (done.stderr or done.stdout)[-_SAID_LAST:].strip()
        raise UnavailableError(f"npm could not install {' '.join(wanted)}: {told}")
    for package in packages:
        found = installed_version(package, folder.parent)
        if found != package.version:
            raise UnavailableError(f"npm installed {package.name} {found}, not {package.version}")
