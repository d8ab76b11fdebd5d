"""Ask git questions about a project that nobody vouches for; every failure is a value.

A repository's own configuration can name programs to run (hooks, fsmonitor, diff drivers, filters,
transports). None of them is run here, nothing is fetched, and no lock or index is written.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO


class GitReason(StrEnum):
    NO_GIT = "no_git"
    NOT_A_REPOSITORY = "not_a_repository"
    UNKNOWN_REVISION = "unknown_revision"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GitFailure:
    reason: GitReason
    message: str


@dataclass(frozen=True, slots=True)
class GitLimits:
    seconds: float = 30.0
    output_bytes: int = 64 * 1024 * 1024


DEFAULT_LIMITS = GitLimits()

# Given on the command line, these win over the repository's own file.
_SAFE = (
    "safe.directory=*",
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    "core.sshCommand=false",
    "protocol.allow=never",
    # GIT_OPTIONAL_LOCKS alone does not keep `git diff` from writing the index.
    "diff.autoRefreshIndex=false",
    "submodule.recurse=false",
    "gc.auto=0",
)
_TAMED = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "diff.autoRefreshIndex=false",
    "gc.auto=0",
)
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
}
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--relative", "-M", "-O/dev/null")
_DIFF_TAIL = ("--ignore-submodules=dirty", "--src-prefix=a/", "--dst-prefix=b/")
_STATUS = ("--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty")
_FILTER_KEYS = ("clean", "smudge", "process")


def run_git(root: Path, *args: str, limits: GitLimits = DEFAULT_LIMITS) -> bytes | GitFailure:
    """Run one git command in *root* and return its output; nothing is written, nothing fetched."""
    program = _find_git(root)
    if program is None:
        return GitFailure(GitReason.NO_GIT, "no git program was found outside the project")
    settings = [part for setting in _SAFE for part in ("-c", setting)]
    return _run((program, "--no-pager", *settings, *args), root, limits)


def head_commit(root: Path) -> str | GitFailure:
    """Return the full hash of the commit that is checked out."""
    return resolve_commit(root, "HEAD")


def resolve_commit(root: Path, revision: str) -> str | GitFailure:
    """Return the full hash that *revision* names; it can never be read as an option."""
    unknown = GitFailure(GitReason.UNKNOWN_REVISION, f"{revision!r} names no commit here")
    if not revision or revision.startswith("-") or not revision.isprintable():
        return unknown
    wanted = f"{revision}^{{commit}}"
    found = run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
    if isinstance(found, bytes):
        return found.decode("ascii").strip()
    return unknown if found.reason is GitReason.FAILED else found


def merge_base(root: Path, one: str, other: str) -> str | GitFailure:
    """Return the best common ancestor of two full hashes."""
    found = run_git(root, "merge-base", one, other)
    return found.decode("ascii").strip() if isinstance(found, bytes) else found


def tracked_files(root: Path, *, untracked: bool = False) -> tuple[str, ...] | GitFailure:
    """Return paths below *root* from the index, sorted; *untracked* adds new ones, not ignored."""
    extra = ("--others", "--exclude-standard") if untracked else ()
    found = run_git(root, "ls-files", "-z", "--cached", *extra)
    return _names(found) if isinstance(found, bytes) else found


def untracked_files(root: Path) -> tuple[str, ...] | GitFailure:
    """Return paths that git neither tracks nor ignores, sorted."""
    found = run_git(root, "ls-files", "-z", "--others", "--exclude-standard")
    return _names(found) if isinstance(found, bytes) else found


def status(root: Path) -> bytes | GitFailure:
    """Return what differs from the index and from HEAD, new files too, in git's stable format."""
    off = _filters_off(root)
    if isinstance(off, GitFailure):
        return off
    return run_git(root, *off, "status", *_STATUS)


def diff(root: Path, base: str, head: str | None, *flags: str) -> bytes | GitFailure:
    """Compare full hashes, or *base* with the working tree; content filters are switched off."""
    off = _filters_off(root) if head is None else ()
    if isinstance(off, GitFailure):
        return off
    ends = (base,) if head is None else (base, head)
    return run_git(root, *off, *_DIFF, *_DIFF_TAIL, *flags, *ends, "--")


def tamed(root: Path) -> Mapping[str, str]:
    """Return variables for a git that others start in *root*: what it names is not run by itself.

    Hooks, the file system's monitor, pagers and content filters, that is; others have to be asked
    for by name.
    """
    filters = _filters_off(root)
    settings = [*_TAMED, *(filters[1::2] if isinstance(filters, tuple) else ())]
    pairs = [setting.split("=", 1) for setting in settings]
    keys = {f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in enumerate(pairs)}
    values = {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(pairs)}
    return {"GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_COUNT": str(len(pairs)), **keys, **values}


def _filters_off(root: Path) -> tuple[str, ...] | GitFailure:
    # Comparing with the working tree would run each changed file through its `filter.*.clean`.
    listed = run_git(root, "config", "--list", "--name-only", "-z")
    if isinstance(listed, GitFailure):
        return listed
    drivers = {
        name.rpartition(".")[0]
        for name in _names(listed)
        if name.startswith("filter.") and name.rpartition(".")[2] in _FILTER_KEYS
    }
    off = [f"{driver}.{key}=" for driver in sorted(drivers) for key in _FILTER_KEYS]
    off += [f"{driver}.required=false" for driver in sorted(drivers)]
    return tuple(part for setting in off for part in ("-c", setting))


def _names(output: bytes) -> tuple[str, ...]:
    return tuple(sorted({os.fsdecode(name) for name in output.split(b"\0") if name}))


def _find_git(root: Path) -> str | None:
    # A search path with "." or a folder of the project in it must not pick the project's own git.
    found = shutil.which("git")
    if found is None or not Path(found).is_absolute():
        return None
    return None if Path(found).resolve().is_relative_to(root.resolve()) else found


def _run(argv: Sequence[str], root: Path, limits: GitLimits) -> bytes | GitFailure:
    try:
        child = subprocess.Popen(  # noqa: S603  # our own program, fixed flags, no shell
            argv,
            cwd=root,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return GitFailure(GitReason.FAILED, f"git did not start: {error}")
    with child:
        return _collect(child, limits)


def _collect(child: subprocess.Popen[bytes], limits: GitLimits) -> bytes | GitFailure:
    assert child.stdout is not None  # noqa: S101  # asked for above
    assert child.stderr is not None  # noqa: S101
    expired = threading.Event()
    complaint: list[bytes] = []
    drain = threading.Thread(target=lambda: complaint.append(_read_all(child.stderr)))
    clock = threading.Timer(limits.seconds, lambda: (expired.set(), _kill(child)))
    drain.start()
    clock.start()
    try:
        output = child.stdout.read(limits.output_bytes + 1)
        if len(output) > limits.output_bytes:
            _kill(child)
            return GitFailure(GitReason.TOO_LARGE, f"git wrote over {limits.output_bytes} bytes")
        status = child.wait()
    finally:
        clock.cancel()
        drain.join()
    if expired.is_set():
        return GitFailure(GitReason.TIMEOUT, f"git took longer than {limits.seconds:g} seconds")
    return output if status == 0 else _failure(b"".join(complaint))


def _read_all(stream: IO[bytes] | None) -> bytes:
    return b"" if stream is None else stream.read()


def _kill(child: subprocess.Popen[bytes]) -> None:
    # The group, so that a program which git started does not keep the pipe open.
    if child.poll() is not None:
        return
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _failure(complaint: bytes) -> GitFailure:
    message = complaint.decode("utf-8", "replace").strip()[:500] or "git failed without a word"
    missing = "not a git repository" in message or "must be run in a work tree" in message
    return GitFailure(GitReason.NOT_A_REPOSITORY if missing else GitReason.FAILED, message)
