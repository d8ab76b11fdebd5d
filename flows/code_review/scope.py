"""The first step: what is under review, pinned byte for byte, and in which batches."""

from __future__ import annotations

from flowrunner import Context
from flowrunner.evidence.scope import build_scope

from .._shared.ground import Ground, pin
from .request import Request


def scope(ctx: Context) -> Ground:
    """Find, sort and pin. Raises InvalidInputError for a revision or path that is not there."""
    request = ctx.given(Request)
    root = ctx.project.root
    found = build_scope(root, base=request.base, head=request.head, paths=request.paths)
    return pin(root, found, is_batched=ctx.band != "small")
