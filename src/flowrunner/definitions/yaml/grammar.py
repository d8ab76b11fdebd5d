"""The keys of a YAML flow, and its published JSON Schema."""

from __future__ import annotations

from typing import Any

from flowrunner.core.graph import Expiry, OnFail, OnSkip, Overflow, Rejection, Siblings, Trigger
from flowrunner.definitions.yaml.forms import (
    Anything,
    Either,
    Fields,
    Flag,
    Forms,
    Many,
    Named,
    Number,
    Span,
    Text,
    Use,
    schema_of,
)

SUFFIX = ".flow.yaml"
TYPES = "#/types/"
KINDS = ("agent", "approval", "wait")
FORMATS = ("findings", "markdown")
DATA_KINDS = ("string", "integer", "number", "boolean", "array", "object")

_ID = r"[a-z0-9][a-z0-9_-]{0,63}"
_ID_HINT = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
_FIELD = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_FIELD_HINT = "1 to 64 letters, digits, '-' and '_', beginning with a letter or '_'"
_LARGEST = 2**31 - 1
_MOST_RETRIES = 20
_MOST_REPAIRS = 10
_COUNT = Number(0, _LARGEST)
_NAME = Text(pattern=_ID, hint=_ID_HINT)
_NAMES = Many(_NAME)
_PROSE = Text()
_SCHEMA = Use("schema")
_PROPERTIES = Named(_SCHEMA, _FIELD, _FIELD_HINT)

SCHEMA = Fields(
    {
        "type": Text(DATA_KINDS),
        "nullable": Flag(),
        "title": _PROSE,
        "description": _PROSE,
        "default": Anything(),
        "enum": Many(Anything(is_scalar=True), 1),
        "minimum": Number(is_whole=False),
        "maximum": Number(is_whole=False),
        "minLength": _COUNT,
        "maxLength": _COUNT,
        "pattern": _PROSE,
        "items": _SCHEMA,
        "minItems": _COUNT,
        "maxItems": _COUNT,
        "properties": _PROPERTIES,
        "required": Many(Text(pattern=_FIELD, hint=_FIELD_HINT)),
        "additionalProperties": Flag(),
        "$ref": Text(
            pattern=rf"{TYPES}{_FIELD}", what="a type's name", hint=f'write "{TYPES}name"'
        ),
    },
    notes={
        "type": "What the value is; left out where enum or $ref says it.",
        "nullable": "Whether null is allowed as well.",
        "default": "The value of a field that is not given; without one it is required (inputs).",
        "$ref": "A type of the flow's `types`.",
    },
)

EACH = Fields(
    {
        "over": _PROSE,
        "key": _PROSE,
        "max_items": Number(1, _LARGEST),
        "overflow": Text(tuple(Overflow)),
        "quorum": Number(0, is_whole=False),
        "parallel": Number(1, _LARGEST),
    },
    required=("over",),
    notes={
        "over": "An expression whose value is a list.",
        "key": "An expression that names a member by what it is: ${item.file}.",
        "quorum": "How many members must complete (2), or which share (0.8); all without it.",
    },
)

REPEAT = Fields(
    {
        "until": _PROSE,
        "at_most": Number(1, 1000),
        "on_exhausted": Text(("fail", "complete")),
    },
    required=("until",),
    notes={"until": "A condition; `previous` is what this iteration said."},
)

APPROVAL = Fields(
    {
        "ask": _PROSE,
        "form": _PROPERTIES,
        "approvers": Many(_PROSE),
        "expires": Span(),
        "on_expiry": Text(tuple(Expiry)),
        "remind": Span(),
        "on_reject": Text(tuple(Rejection)),
        "redo_from": _NAME,
        "max_redos": Number(0, 100),
    },
    required=("ask",),
    notes={"ask": "The question, as Markdown.", "form": "Typed values to fill in."},
)

RETRY = Fields(
    {
        "max": Number(0, _MOST_RETRIES),
        "base": Span(),
        "cap": Span(),
        "classes": Many(Text(("transient", "quota", "contract")), 1),
    },
    notes={"max": "How many further attempts."},
)

CITATIONS = Fields(
    {
        "file": _PROSE,
        "line": _PROSE,
        "line_end": _PROSE,
        "quote": _PROSE,
        "exact": Flag(),
    },
    notes={
        "file": "The key that names the file; so for the others.",
        "exact": "Whether the quote must stand on the cited lines; else anywhere in that file.",
    },
)

PRODUCES = Fields(
    {
        "citations": Either(Flag(), CITATIONS),
        "files": Many(_PROSE, 1),
        "check": Many(Fields({"that": _PROSE, "else": _PROSE}, ("that", "else")), 1, "a check"),
    },
    notes={
        "citations": "Whether each file, line and quote in the answer must be there.",
        "files": "Paths that must be there; `previous` is what was answered.",
        "check": "Conditions on what was answered (`previous`), and what is wrong without them.",
    },
)

STEP = Fields(
    {
        "id": _NAME,
        "agent": _PROSE,
        "approval": Either(_PROSE, APPROVAL),
        "wait": Span(is_open=True),
        "persona": _NAME,
        "label": _PROSE,
        "phase": _PROSE,
        "needs": _NAMES,
        "bands": _NAMES,
        "gate": _PROSE,
        "when": _PROSE,
        "trigger": Text(tuple(Trigger)),
        "on_fail": Text(tuple(OnFail)),
        "on_skip": Text(tuple(OnSkip)),
        "retry": Either(Number(0, _MOST_RETRIES), RETRY),
        "timeout": Span(),
        "idle_timeout": Span(),
        "queue_timeout": Span(),
        "queue": _PROSE,
        "output": _SCHEMA,
        "schema_in_prompt": Flag(),
        "produces": PRODUCES,
        "repairs": Number(0, _MOST_REPAIRS),
        "each": Either(_PROSE, EACH),
        "repeat": REPEAT,
    },
    required=("id",),
    one_of=KINDS,
    notes={
        "agent": "The prompt of an agent; ${...} inserts values.",
        "approval": "A question to a person.",
        "wait": "How long to wait.",
        "needs": "Steps that end before this one; those it refers to are added.",
        "gate": "A condition on input and band, decided at launch.",
        "when": "A condition on results, decided when the needs have ended.",
        "output": "What the answer must fit; plain text without it.",
        "schema_in_prompt": "Whether the prompt ends with the schema of the output.",
        "produces": "What else code checks of the answer.",
        "repairs": "How often an answer that does not fit is sent back.",
        "each": "One agent per member of a list: ${item} in the prompt.",
        "repeat": "Again until a condition holds.",
    },
)

REPORT = Fields(
    {"from": _NAME, "format": Text(FORMATS), "template": _PROSE},
    notes={
        "from": "The step whose result is the report.",
        "template": "Markdown with ${...}.",
    },
)

FLOW = Fields(
    {
        "$schema": _PROSE,
        "flow": _NAME,
        "title": _PROSE,
        "description": _PROSE,
        "inputs": _PROPERTIES,
        "bands": Many(_NAME, 1),
        "deadline": Span(),
        "siblings": Text(tuple(Siblings)),
        "steps": Many(STEP, 1, "a step"),
        "report": REPORT,
        "types": _PROPERTIES,
    },
    required=("flow", "steps"),
    notes={
        "flow": "The flow's name.",
        "inputs": "What a launch takes; each a schema. One without a default is required.",
        "siblings": "What a failed step means for those at work.",
        "types": 'Schemas with a name, for $ref: "#/types/name".',
    },
)

FORMS: Forms = {"schema": SCHEMA}


def flow_schema() -> dict[str, Any]:
    """Return the JSON Schema of `*.flow.yaml`, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Flowrunner flow",
        **schema_of(FLOW),
        "$defs": {name: schema_of(form) for name, form in FORMS.items()},
    }
