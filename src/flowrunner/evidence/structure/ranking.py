"""How grave what stands out in a structure is, and what it leads to."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.evidence.structure.faults import Kind
from flowrunner.wire.findings import Severity

CATEGORY = "structure"

CONSEQUENCES: Mapping[Kind, tuple[Severity, str]] = {
    "import-cycle": (
        Severity.MINOR,
        "Whichever is imported first decides whether it starts; none can be tested or moved alone.",
    ),
    "deferred-cycle": (Severity.NOTE, "Only imports put off until later keep this from breaking."),
    "mutual-components": (Severity.MINOR, "There is no order in which they could be understood."),
    "crossroads": (Severity.NOTE, "It is in the way of every change."),
    "hot-spot": (Severity.NOTE, "Such files repay a split first."),
    "unused-module": (Severity.NOTE, "It is read, updated and reviewed for nothing."),
    "undeclared-dependency": (Severity.MAJOR, "A fresh installation fails when this is imported."),
    "unused-dependency": (Severity.NOTE, "It is installed, updated and audited for nothing."),
}
