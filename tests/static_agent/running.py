"""Starts the static agent as a dispatcher does, and reads what it answers."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flowrunner.dispatch.static import agent_argv
from flowrunner.dispatch.static.agent import Request, review
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source, load
from flowrunner.evidence.tree import pin_tree
from flowrunner.wire.findings import Answer
from unit.evidence.projects import a_project

NONCE = "0f9e8d7c6b5a"
SCRUBBED = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def a_prompt(files: Sequence[object], nonce: str = NONCE) -> str:
    """Return a prompt with a scope block between other words."""
    scope = json.dumps({"files": files})
    return f"Review this.\n<<scope {nonce}>>\n{scope}\n<<end {nonce}>>\nBe brief.\n"


def start(
    root: Path,
    prompt: str = "",
    *,
    persona: str | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the agent as a process in *root*; *env* is added to a scrubbed environment."""
    told = {"FLOWRUNNER_PERSONA": persona} if persona else {}
    return subprocess.run(
        [*agent_argv(), *args],
        cwd=root,
        env={**SCRUBBED, **told, **(env or {})},
        input=prompt.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )


def answered(done: subprocess.CompletedProcess[bytes]) -> Answer:
    """Return the one JSON object that the agent wrote; fail on anything else."""
    assert done.returncode == 0, done.stderr.decode()
    (line,) = done.stdout.decode("ascii").splitlines()
    return Answer.model_validate_json(line, strict=False)


def ask(root: Path, persona: str | None = None, *files: str) -> Answer:
    """Ask in this process; no files means the whole project."""
    return review(Request(root, persona, files or None))


def rules(answer: Answer) -> list[str]:
    return [claim.rule for claim in answer.findings]


def hits(check: Check, root: Path, files: Mapping[str, str | bytes]) -> list[tuple[str, int]]:
    """Return (rule, line) of what *check* finds in the first of *files*, applying or not."""
    sources, _ = load(pin_tree(a_project(root, files)))
    first = next(source for source in sources if source.path == next(iter(files)))
    return [(hit.rule.code, hit.line) for hit in found(check, first, root)]


def found(check: Check, source: Source, root: Path) -> Iterator[Hit]:
    if check.applies(source):
        yield from check.find(source, Project(root))


def snapshot(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return mode, mtime, ctime and bytes of everything below *root*."""
    state: dict[str, tuple[int, int, int, bytes]] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = Path(folder, name)
            seen = place.lstat()
            content = place.read_bytes() if place.is_file() and not place.is_symlink() else b""
            state[str(place)] = (seen.st_mode, seen.st_mtime_ns, seen.st_ctime_ns, content)
    return state
