"""`python -P -m flowrunner.dispatch.static`: a prompt comes in, one JSON object goes out."""

from __future__ import annotations

import os
import sys

from flowrunner.dispatch.static import agent_argv

if not (sys.flags.safe_path and sys.flags.dont_write_bytecode):
    # Started by hand: start again as the dispatcher would, before anything else could be imported
    # from the project, or bytecode be left in it where the project is this program itself.
    os.execv(sys.executable, [*agent_argv(), *sys.argv[1:]])  # noqa: S606  # ourselves, no shell

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from flowrunner.core.errors import FlowRunnerError, InvalidInputError
from flowrunner.dispatch.static.agent import Request, review
from flowrunner.dispatch.static.forms import Json, answer_in
from flowrunner.dispatch.static.lenses import LENSES
from flowrunner.dispatch.static.prompt import FINDINGS, Wish, read_wish
from flowrunner.dispatch.static.settings import PERSONA, persona_from_environment

MAX_PROMPT = 16 * 1024 * 1024

FAILED, REFUSED = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Write the answer only when it is whole: else nothing on stdout, and a status above 0."""
    arguments = _arguments(argv)
    try:
        answer = _answer(arguments, read_wish(_prompt()))
    except InvalidInputError as error:
        problems = "\n".join(str(problem) for problem in error.problems)
        sys.stderr.write(f"static agent: {error}\n{problems}\n")
        return REFUSED
    except FlowRunnerError as error:
        sys.stderr.write(f"static agent: {error.code}: {error}\n")
        return FAILED
    sys.stdout.write(json.dumps(answer, ensure_ascii=True) + "\n")
    sys.stdout.flush()
    return 0


def _answer(arguments: argparse.Namespace, wish: Wish) -> Json:
    root = Path(arguments.root)
    if wish.answer != FINDINGS:
        return answer_in(wish, root)
    request = Request(
        root=root,
        persona=arguments.persona or persona_from_environment(),
        files=wish.files,
        per_rule=arguments.per_rule,
        seconds=arguments.seconds,
    )
    return review(request).model_dump(mode="json")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -P -m flowrunner.dispatch.static",
        description="Review files without a model: the prompt on stdin names them, the answer is"
        " JSON. Nothing is written, imported or run.",
    )
    lenses = ", ".join(LENSES)
    parser.add_argument("--persona", help=f"{lenses} (default: ${PERSONA})", metavar="NAME")
    parser.add_argument("--root", default=".", help="the project (default: %(default)s)")
    parser.add_argument("--per-rule", type=int, default=20, help="findings (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="limit (default: %(default)s)")
    return parser.parse_args(argv)


def _prompt() -> str:
    """Return stdin, or nothing from a terminal: who types no prompt means the whole project."""
    if sys.stdin.isatty():
        return ""
    text = sys.stdin.buffer.read(MAX_PROMPT + 1)
    if len(text) > MAX_PROMPT:
        raise FlowRunnerError(f"the prompt is longer than {MAX_PROMPT} bytes")
    return text.decode("utf-8", "replace")


if __name__ == "__main__":
    raise SystemExit(main())
