"""When this process looks for garbage: a replica keeps much, and little of it is in cycles."""

from __future__ import annotations

import gc

_YOUNG = 20_000
_MIDDLE = 20
_OLD = 50


def collect_rarely() -> None:
    """Leave what was loaded by now out of every collection, and collect less often.

    For a process that serves and does nothing else: looking at modules, flows and resident runs
    again and again took a tenth of the time of moving a run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
