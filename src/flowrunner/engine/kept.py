"""Large values that steps said, read once for all who ask instead of once per prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from pydantic import BaseModel

from flowrunner.core.model import Ref

LARGE = 64_000
"""Bytes from which on a text takes longer to read than to look for."""
_MOST = 16


class Kept:
    """The last few large values of frozen models, shared by the contexts of a replica.

    Only what its author declared frozen: anything else could be changed by one function under the
    eyes of another, and is read anew for each. Reading holds the interpreter, and with it the
    event loop that renews leases: so one reads at a time, and the others find it read.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[Ref, object], object] = OrderedDict()
        self._lock = Lock()

    def value(self, ref: Ref, kind: object, size: int, read: Callable[[], object]) -> object:
        """Return what *ref*, *size* bytes of a *kind*, says; what *read* raises is raised."""
        if size < LARGE or not _is_frozen(kind):
            return read()
        with self._lock:
            place = (ref, kind)
            if place not in self._values:
                self._values[place] = read()
            self._values.move_to_end(place)
            while len(self._values) > _MOST:
                self._values.popitem(last=False)
            return self._values[place]


def _is_frozen(kind: object) -> bool:
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    return bool(kind.model_config.get("frozen"))
