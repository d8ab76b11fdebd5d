"""What a scripted model does, step by step; a step is an answer to one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """Answer with *text*, in as many pieces as it has words, *pause* seconds apart."""

    text: str
    pause: float = 0.0


@dataclass(frozen=True)
class Call:
    """Use a tool, whatever the agent calls it; *target* is a path or a command."""

    action: Literal["read", "write", "shell"]
    target: str


@dataclass(frozen=True)
class Fail:
    """Refuse with an HTTP status."""

    status: int
    message: str = "scripted error"


@dataclass(frozen=True)
class Cut:
    """Begin to answer, and hang up."""

    text: str = "only half of"


@dataclass(frozen=True)
class Hang:
    """Take the request, and say nothing."""


@dataclass(frozen=True)
class Use:
    """A tool call as the agent offers it; *is_patch* where its argument is free text."""

    name: str
    arguments: Json
    call_id: str
    is_patch: bool = False


Step: TypeAlias = Say | Call | Use | Fail | Cut | Hang
_NAMES = {
    "read": ("read_file", "Read", "read", "view"),
    "write": ("write_file", "Write", "write", "create", "apply_patch"),
    "shell": ("run_shell_command", "Bash", "bash", "shell_command", "exec_command", "shell"),
}
_PATHS = ("file_path", "filePath", "absolute_path", "path")


def step_of(steps: Sequence[Step], done: int, offered: Mapping[str, object]) -> Step:
    """Return what comes after *done* tool calls; who offers no tools only wants a word."""
    step = steps[min(done, len(steps) - 1)]
    return Say("a title") if not offered and isinstance(step, Say | Call | Use) else step


def use_of(call: Call | Use, done: int, offered: Mapping[str, object]) -> Use:
    """Return *call* in the words of the tools that are *offered*, or of one that is not."""
    if isinstance(call, Use):
        return call
    names = _NAMES[call.action]
    name = next((name for name in names if name in offered), "")
    number = f"call_{done}"
    patch = f"*** Begin Patch\n*** Add File: {call.target}\n+written\n*** End Patch\n"
    if name == "apply_patch":
        return Use(name, {"input": patch}, number, is_patch=True)
    if not name and call.action != "shell":
        reading, writing = f"cat {call.target}", f"apply_patch <<'END'\n{patch}END"
        command = reading if call.action == "read" else writing
        return use_of(Call("shell", command), done, offered)
    return Use(name or names[0], _arguments(call, _properties(offered.get(name))), number)


def _arguments(call: Call, properties: Mapping[str, object]) -> Json:
    if call.action == "shell":
        key = "cmd" if "cmd" in properties else "command"
        known: Json = {key: call.target, "description": "look", "is_background": False}
    else:
        path = next((name for name in _PATHS if name in properties), "file_path")
        known = {path: call.target, "content": "written\n", "file_text": "written\n"}
    required = {name: given for name, given in known.items() if name in properties}
    return required or known


def _properties(schema: object) -> Mapping[str, object]:
    found = schema.get("properties") if isinstance(schema, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON
