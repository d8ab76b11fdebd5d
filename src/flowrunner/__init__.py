"""Flows of coding agents over a code base: durable, read-only, on PostgreSQL."""

import importlib

__version__ = "0.1.0"

_AUTHORING = {
    "Approval": "flow",
    "Citations": "produces",
    "Each": "flow",
    "Flow": "flow",
    "Repeat": "flow",
    "Retry": "flow",
    "Step": "flow",
    "Produces": "produces",
    "From": "authoring",
    "CallFailedError": "context",
    "CallResult": "context",
    "Census": "context",
    "Context": "context",
    "Decided": "context",
    "Launch": "context",
    "Project": "context",
    "Report": "context",
    "ReportContext": "context",
    "StepResult": "context",
}

# What a star imports; written so, because checkers cannot see what __getattr__ gives.
globals()["__all__"] = sorted(_AUTHORING)


def __getattr__(name: str) -> object:
    # Late, so that asking for the version imports nothing; types are in __init__.pyi.
    if name not in _AUTHORING:
        raise AttributeError(f"module 'flowrunner' has no attribute '{name}'")
    return getattr(importlib.import_module(f"flowrunner.definitions.{_AUTHORING[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_AUTHORING])
