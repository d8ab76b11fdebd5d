"""Prove a gate by real attempts to write, in one project on all of its file systems (P8)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from flowrunner.dispatch.gates.gate import Gate, Right, program, wrap
from flowrunner.dispatch.gates.places import disks, outside_of, signatures, targets_in

_ATTEMPTS = "flowrunner.dispatch.gates.attempts"
_SECONDS = 30.0
_PROMPT_SECONDS = 2.0
"""Below what a left-behind process of ours lingers."""
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
_CREATED = (Right.OUTSIDE, "create")
_DECOY = ("/bin/sh", "-c", "read _ignored", "decoy")


class Said(TypedDict, total=False):
    """What the program inside prints."""

    outcomes: list[tuple[str, str, str, int]]
    unreadable: list[str]


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One try from inside: *errno* is why it failed, 0 when it worked."""

    right: Right
    name: str
    place: str
    errno: int

    def __str__(self) -> str:
        said = os.strerror(self.errno) if self.errno else "it worked"
        return f"{self.name} in {self.place}: {said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a gate claimed, and what became of it in one project. It holds if nothing failed."""

    gate: Gate
    project: Path
    proved: frozenset[Right] = frozenset()
    failed: tuple[Attempt, ...] = ()
    changed: tuple[str, ...] = ()
    """Places of the project that differ from before: by us, or by somebody else meanwhile."""
    unreadable: tuple[str, ...] = ()
    problem: str = ""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        return not (self.failed or self.changed or self.unreadable or self.problem)

    @property
    def untried(self) -> frozenset[Right]:
        """Claimed, but there was nothing here to try it on."""
        return self.gate.rights - self.proved - {attempt.right for attempt in self.failed}

    def told(self) -> str:
        """Say in a line what is wrong, or that nothing is."""
        if self.problem:
            return self.problem
        if self.failed:
            return "; ".join(str(attempt) for attempt in self.failed[:3])
        if self.unreadable:
            return f"behind it {self.unreadable[0]} cannot be read"
        if self.changed:
            return f"{self.changed[0]} changed during the probe, perhaps by somebody else"
        return f"holds: {', '.join(sorted(self.proved))}"


def probe(gate: Gate, project: Path, room: Path) -> ProbeResult:
    """Try inside *gate* what it claims to forbid. Takes about a tenth of a second; blocking.

    *room* is where tasks have their private folders. If something else changes the project in
    the same moment, it is tried once more.
    """
    result = _probe(gate, project, room)
    return _probe(gate, project, room) if result.changed and not result.failed else result


def _probe(gate: Gate, project: Path, room: Path) -> ProbeResult:
    started = time.monotonic()
    targets = tuple(targets_in(project))
    before = signatures(targets)
    nonce = f"flowrunner-probe-{secrets.token_hex(8)}"
    with _private(room) as (home, scratch), _decoy(nonce) as decoy, _listening(nonce) as port:
        secret = _secret_beside(home)
        through = replace(gate, hidden=(*gate.hidden, str(secret.parent)))
        outside = outside_of(project, room)
        plan = {
            "nonce": nonce,
            "rights": sorted(gate.rights),
            "targets": targets,
            "private": str(home),
            "outside": outside,
            "devices": disks(),
            "decoy": decoy.pid,
            "port": port,
            "secret": str(secret),
        }
        argv = (*program(_ATTEMPTS), json.dumps(plan))
        command = wrap(through, argv, cwd=project, writable=(home, scratch))
        said, problem, lingered = _run(command, project)
        is_dead = decoy.poll() is not None
    escaped = [place for place in outside if _remove(Path(place) / f".{nonce}")]
    seen = _Seen(lingered=lingered, is_dead=is_dead, escaped=escaped)
    failed, proved = _judged(gate, said, seen)
    after = signatures(targets)
    return ProbeResult(
        gate=gate,
        project=project,
        proved=proved,
        failed=failed,
        changed=tuple(place for place, was in before.items() if after.get(place) != was),
        unreadable=tuple(said.get("unreadable", ())),
        problem=problem,
        seconds=round(time.monotonic() - started, 3),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the outside saw with its own eyes."""

    lingered: bool
    is_dead: bool
    escaped: Sequence[str]


def _judged(gate: Gate, said: Said, seen: _Seen) -> tuple[tuple[Attempt, ...], frozenset[Right]]:
    """Return what was let through, and which rights were tried and always refused.

    A file that was created outside may lie in a private copy: only the outside can tell.
    """
    tried = [Attempt(Right(a), b, c, d) for a, b, c, d in said.get("outcomes", ())]
    failed = [attempt for attempt in tried if attempt.errno == 0 and not _is_seen(attempt)]
    failed += [Attempt(Right.OUTSIDE, "create", place, 0) for place in seen.escaped]
    if seen.is_dead:
        failed.append(Attempt(Right.SIGNALS, "kill", "a process of ours", 0))
    rights = {attempt.right for attempt in tried}
    if tried and Right.SURVIVAL in gate.rights:
        rights.add(Right.SURVIVAL)
        if seen.lingered:
            failed.append(Attempt(Right.SURVIVAL, "double fork", "a process of its own", 0))
    broken = {attempt.right for attempt in failed}
    return tuple(sorted(failed)), frozenset(rights - broken) & gate.rights


def _is_seen(attempt: Attempt) -> bool:
    return attempt.right is Right.SIGNALS or (attempt.right, attempt.name) == _CREATED


def _run(command: Sequence[str], project: Path) -> tuple[Said, str, bool]:
    """Return what it said, what went wrong, and whether it left somebody behind."""
    try:
        with _opened(project) as folder, tempfile.TemporaryFile() as output:
            child = subprocess.Popen(  # noqa: S603  # a program of ours, no shell
                command,
                cwd=project,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                pass_fds=(folder,),  # On purpose: a gate has to close what it inherits.
                start_new_session=True,
            )
            complaint, lingered = _waited(child)
            output.seek(0)
            return _understood(output.read(), complaint, child.returncode), "", lingered
    except subprocess.TimeoutExpired:
        return {}, f"the probe took longer than {_SECONDS:g} s", False
    except (OSError, ValueError) as exc:
        return {}, str(exc), False


@contextmanager
def _opened(project: Path) -> Generator[int]:
    folder = os.open(project, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def _waited(child: subprocess.Popen[bytes]) -> tuple[str, bool]:
    """Return what it complained of; whoever it left behind keeps that pipe open."""
    try:
        child.wait(_SECONDS)
        ended = time.monotonic()
        _, complaint = child.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise
    lingered = time.monotonic() - ended > _PROMPT_SECONDS
    return complaint.decode("utf-8", "replace").strip()[-500:], lingered


def _understood(output: bytes, complaint: str, status: int) -> Said:
    try:
        return json.loads(output)
    except ValueError:
        told = f"the probe ended with {status}: {complaint or 'without a word'}"
        raise ValueError(told) from None


@contextmanager
def _private(room: Path) -> Generator[tuple[Path, Path]]:
    room.mkdir(0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir=room))
    try:
        home, scratch = folder / "home", folder / "tmp"
        home.mkdir(0o700)
        scratch.mkdir(0o700)
        yield home, scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _decoy(nonce: str) -> Generator[subprocess.Popen[bytes]]:
    """A process like those of ours, with something in its environment that nobody should see."""
    with subprocess.Popen(  # noqa: S603  # fixed words
        (*_DECOY, nonce), env={**_ENVIRONMENT, "SECRET": nonce}, stdin=subprocess.PIPE
    ) as decoy:
        yield decoy
        decoy.kill()


@contextmanager
def _listening(nonce: str) -> Generator[int]:
    """A socket without a file, and a port, as other programs of this machine may have."""
    with socket.socket(socket.AF_UNIX) as server, socket.create_server(("127.0.0.1", 0)) as more:
        server.bind(f"\0{nonce}")
        server.listen()
        yield int(more.getsockname()[1])


def _secret_beside(home: Path) -> Path:
    folder = home.with_name("hidden")
    folder.mkdir(0o700)
    secret = folder / "secret"
    secret.write_text("kept\n", encoding="utf-8")
    return secret


def _remove(path: Path) -> bool:
    if not path.exists():
        return False
    path.unlink()
    return True
