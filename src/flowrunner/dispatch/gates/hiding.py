"""What agents must not see of this machine: the service's own folders, keys, others' sockets.

Reading is not writing. But who reaches the service's database, or a container engine, writes
wherever these do, and no gate stands between.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

ENGINES = (
    "/run/docker.sock",
    "/run/containerd",
    "/run/crio",
    "/run/podman",
    "/run/buildkit",
    "/run/libvirt",
    "/run/postgresql",
    "/run/mysqld",
    "/run/dbus",
    "/run/systemd/private",
    "/tmp/.X11-unix",  # noqa: S108
)
"""Sockets through which programs of this machine do what they are told; /var/run is /run."""
_OF_HOME = (
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config/gcloud",
    ".config/gh",
    ".config/containers",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".claude",
    ".codex",
    ".gemini",
    ".qwen",
    ".copilot",
    ".local/share/opencode",
)
_SOURCES = Path(__file__).resolve().parents[3]


def places_to_hide(
    home: Path | None, own: Iterable[Path], user: int | None = None
) -> tuple[Path, ...]:
    """Return what a worker hides from its agents: *own*, secrets in *home*, sockets.

    Most need not exist; what does is found when a gate is closed.
    """
    number = os.getuid() if user is None else user
    runtime = Path(f"/run/user/{number}")
    secrets = () if home is None else tuple(home / name for name in _OF_HOME)
    return (*own, *secrets, *map(Path, ENGINES), runtime)


def coverable(places: Iterable[Path], needed: Iterable[Path]) -> tuple[str, ...]:
    """Return *places* by their real paths, each once, without what holds something *needed*.

    Of a folder that does, all else in it is returned. Nothing that Python or we ourselves are made
    of is covered. What is not there may be there later, so it is returned as well.
    """
    ours = (Path(sys.executable), Path(sys.prefix), Path(sys.base_prefix), _SOURCES)
    kept = {path.resolve() for path in (*needed, *ours)} | {Path(sys.executable)}
    found = dict.fromkeys(part for place in places for part in _without(place.resolve(), kept))
    inner = {place for place in found if found.keys() & set(place.parents)}
    return tuple(str(place) for place in found if place not in inner)


def _without(place: Path, kept: AbstractSet[Path]) -> Iterator[Path]:
    below = {need for need in kept if need.is_relative_to(place)}
    if not below:
        yield place
    elif place not in below:
        with suppress(OSError):
            for part in place.iterdir():
                yield from _without(part, below)
