"""Imports an author's module aside: bounded in time, with nothing to read, and off stdout.

A module may loop, print, wait for a key or start threads. None of that may keep a command from its
end, or stand within what it prints.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import sys
import threading
from collections.abc import Collection, Generator
from dataclasses import dataclass
from types import FrameType, ModuleType

IMPORT_SECONDS = 20.0
"""How long a module may take: far more than what it imports, far less than patience."""
_LAST_WORDS_SECONDS = 1.0


class AsideError(Exception):
    """The module did something that a flow's module must not do; *file* and *line* say where."""

    def __init__(self, message: str, hint: str, frame: FrameType | None) -> None:
        super().__init__(message)
        self.hint = hint
        self.file = frame.f_code.co_filename if frame else None
        self.line = frame.f_lineno if frame else None


@dataclass(slots=True)
class _Import:
    """What became of one import."""

    name: str
    module: ModuleType | None = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.module = importlib.import_module(self.name)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the module's own
            self.error = error


def import_aside(
    name: str, files: Collection[str], seconds: float = IMPORT_SECONDS
) -> ModuleType | BaseException:
    """Import the module *name*, whose code is in *files*; return it, or what it raised.

    AsideError is returned for one that does not end, and for one that leaves a thread of its own at
    work; both are made to stop.
    """
    before = {thread.ident for thread in threading.enumerate()}
    importing = _Import(name)
    thread = threading.Thread(target=importing.run, name=f"import {name}", daemon=True)
    with contextlib.redirect_stdout(sys.stderr), _nothing_to_read():
        thread.start()
        thread.join(seconds)
    if thread.is_alive():
        return _unending(thread, files, seconds)
    left = _left_at_work(before, files)
    if left is not None:
        return left
    return importing.module or importing.error or ImportError(name)


def _unending(thread: threading.Thread, files: Collection[str], seconds: float) -> AsideError:
    message = f"the module has not ended after {seconds:g} s"
    hint = "what takes time belongs in a code step: a flow's module only says what there is"
    error = AsideError(message, hint, _own_frame(thread, files))
    _end(thread)
    return error


def _left_at_work(before: Collection[int | None], files: Collection[str]) -> AsideError | None:
    error: AsideError | None = None
    for thread in threading.enumerate():
        frame = None if thread.ident in before else _own_frame(thread, files)
        if frame is not None:
            hint = "start threads in a code step: a flow's module only says what there is"
            error = AsideError("the module has started a thread", hint, frame)
            _end(thread)
    return error


def _own_frame(thread: threading.Thread, files: Collection[str]) -> FrameType | None:
    """Return where in *files* the thread is just now."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the only door
    while frame is not None and frame.f_code.co_filename not in files:
        frame = frame.f_back
    return frame


def _end(thread: threading.Thread) -> None:
    """Have the thread's next line raise SystemExit; what is within a call ends after that."""
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
    thread.join(_LAST_WORDS_SECONDS)


@contextlib.contextmanager
def _nothing_to_read() -> Generator[None]:
    kept, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = kept
