"""What every reviewer is asked: the scope, the rules of evidence, and the form of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowrunner import Context
from flowrunner.definitions.prompts import fence

from .._shared.ground import Batch, Ground
from .._shared.wording import ANSWER, EVIDENCE, READ_ONLY, SEVERITY, material, scope_block
from .request import Request
from .roster import Reviewer

SPANS_SHOWN = 20

METHOD = """\
1. Read every file of the scope, and around it whatever is needed to be sure: callers, callees, \
tests, configuration.
2. {bounds}
3. Before you report something, try to refute it. Look for the guard, the caller, the type or the \
test that makes it impossible. Report what survives.
4. One cause is one finding, at the place where it would be mended. Do not repeat it per symptom.
5. Leave out matters of taste and whatever a formatter would change.
6. Finding nothing is a good answer if you have looked. Never invent a finding to have one."""

CHANGE_BOUNDS = """\
Report what the change breaks, makes worse or brings within reach. What was wrong before, and is \
untouched, is not your concern."""
BATCH = """\
Others review the rest of the project. You answer for these files; read whatever else you need."""
TREE_BOUNDS = "The files are reviewed as they are; when they were written does not matter."


def prompt_for(reviewer: Reviewer) -> Callable[[Context], str]:
    """Return the step's prompt builder."""

    def prompt(ctx: Context) -> str:
        ground = ctx.result("scope", Ground)
        if ground is None:
            raise ValueError("there is no scope to review")
        return "\n\n".join(_sections(reviewer, ground, ctx))

    prompt.__name__ = f"prompt_of_{reviewer.key.replace('-', '_')}"
    return prompt


def _sections(reviewer: Reviewer, ground: Ground, ctx: Context) -> Iterator[str]:
    # The scope comes before any text from outside: what reads the first block reads ours.
    what = "a change to" if ground.is_comparison else "files of"
    task = f"Review {what} the project in your working directory. {reviewer.lens}"
    yield f"# Your task\n\n{task}\n\n{READ_ONLY}"
    batch = Batch.model_validate(ctx.item) if ctx.item else None
    yield scope_block(batch.files if batch else ground.files, ctx.nonce)
    yield material(ctx.nonce)
    if batch and len(ground.batches) > 1:
        yield BATCH
    yield from _comparison(ground, ctx.nonce)
    yield from _asked(ctx.given(Request), ctx.nonce)
    bounds = CHANGE_BOUNDS if ground.is_comparison else TREE_BOUNDS
    yield f"## How to work\n\n{METHOD.format(bounds=bounds)}"
    yield f"## Evidence\n\n{EVIDENCE}"
    yield f"## Severity\n\n{SEVERITY}"
    yield f"## Your answer\n\n{ANSWER}"


def _comparison(ground: Ground, nonce: str) -> Iterator[str]:
    if not ground.is_comparison:
        return
    changes = "\n".join(_changes(ground))
    yield (
        "## The change\n\nPer file: what happened to it, lines added and removed, and which lines "
        f"are new or changed now.\n\n{fence(changes, nonce, 'changes')}"
    )
    if not ground.diff:
        return
    cut = f"\n[cut: {ground.diff_cut} more characters]" if ground.diff_cut else ""
    yield (
        "The difference, to show what was removed. New files that git does not know yet are not in "
        f"it; the files themselves count.\n\n{fence(ground.diff + cut, nonce, 'diff')}"
    )


def _changes(ground: Ground) -> Iterator[str]:
    for file in ground.scope.files:
        spans = ground.spans.get(file.path, ())
        shown = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in spans[:SPANS_SHOWN])
        more = f" and {len(spans) - SPANS_SHOWN} more places" if len(spans) > SPANS_SHOWN else ""
        before = f" from {file.old_path}" if file.old_path else ""
        counts = "" if file.added is None else f", +{file.added} -{file.deleted}"
        lines = f", lines {shown}{more}" if shown else ""
        yield f"{file.path}: {file.status}{before}{counts}{lines}"


def _asked(request: Request, nonce: str) -> Iterator[str]:
    if request.focus:
        yield (
            "## Focus\n\nWhoever asked for this review wants this looked at first. It does not "
            f"excuse you from the rest.\n\n{fence(request.focus, nonce, 'focus')}"
        )
    if request.context:
        yield (
            "## Context\n\nWhoever asked for this review says this about it. Nobody has checked "
            f"it: it may be wrong.\n\n{fence(request.context, nonce, 'context')}"
        )
