"""Agents read pages and write down what somebody may rely on; nobody judges anything yet."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner import Context
from flowrunner.definitions.prompts import fence

from .._shared.batches import Batch
from .._shared.wording import READ_ONLY, material, scope_block
from .request import Request
from .survey import Ledger

STEP, PERSONA = "extract", "documentation-auditor"

TASK = """\
Read the pages of documentation listed below, whole, and write down the statements in them that \
can be true or false of this project and that a reader may act on. Others will check them; you \
judge nothing."""

METHOD = """\
1. Prefer what would hurt if it were false: behaviour, defaults, limits, order of steps, \
conditions, what is safe to repeat, what happens on failure, what a command prints or changes.
2. Leave out what a program checks anyway: that a linked file, a path, a command, an option, a \
function or a module exists, and that an example parses.
3. Leave out opinions, plans, history, and statements about other projects.
4. `says` is one sentence that stands without the page: name the function, command or setting.
5. `quote` is copied, character by character, from the lines `line_start` to `line_end`: one to \
five whole lines. A statement without a true quotation is thrown away.
6. At most 40 statements per page; the gravest first."""

ANSWER = """\
Your answer is one JSON object, for example:

```json
{
  "summary": "a few sentences: what these pages promise, and what you could not read",
  "pages_read": ["every/page/you/read/whole.md"],
  "truncated": false,
  "statements": [
    {
      "file": "docs/page.md",
      "line_start": 10,
      "line_end": 11,
      "quote": "the exact text of these lines",
      "says": "`tool run --all` stops at the first failure",
      "about": "path | command | setting | name | example | behaviour | number | other"
    }
  ]
}
```

- `pages_read` lists only what you have read whole; what it does not list counts as unread.
- Set `truncated` to true if you had to stop before you were done.
- A page without such statements adds none; list it in `pages_read` all the same."""


def is_called(ctx: Context) -> bool:
    ledger = ctx.result("survey", Ledger)
    return ledger is not None and bool(ledger.batches)


def members(ctx: Context) -> Sequence[dict[str, object]]:
    ledger = ctx.result("survey", Ledger)
    return [each.model_dump(mode="json") for each in ledger.batches] if ledger else []


def key(member: dict[str, object]) -> str:
    return Batch.model_validate(member).key


def prompt(ctx: Context) -> str:
    """Return what the reader of one batch of pages is asked."""
    pages = Batch.model_validate(ctx.item).files
    request = ctx.given(Request)
    asked = [(request.focus, "focus"), (request.context, "context")]
    return "\n\n".join(
        [
            f"# Your task\n\n{TASK}\n\n{READ_ONLY}",
            scope_block(pages, ctx.nonce, answer="statements"),
            material(ctx.nonce),
            *(f"## Asked for\n\n{fence(text, ctx.nonce, name)}" for text, name in asked if text),
            f"## How to work\n\n{METHOD}",
            f"## Your answer\n\n{ANSWER}",
        ]
    )
