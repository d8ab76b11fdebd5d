"""Runs the modules of a snapshot: from memory, under a name of its own, beside `sys.path`.

Nothing is read from or written to disk here, so that a loaded flow is its pinned text, and a
project gets no `__pycache__`. Relative imports reach the flow's own files and shared modules.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import flowrunner
from flowrunner.core.errors import Problem
from flowrunner.core.validation import closest, suggest
from flowrunner.definitions.aside import IMPORT_SECONDS, AsideError, import_aside
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Retry, Step, keywords
from flowrunner.definitions.sources import Snapshot

DECORATORS = ("agent", "approval", "code", "report", "wait")
ROOT = "_flowrunner_flows"
"""The package under which every loaded flow has a folder; it exists in no file system."""

_WRITTEN = {kind.__name__: kind for kind in (Approval, Each, Flow, Repeat, Retry, Step)}
_UNIMPORTABLE = re.compile(r"cannot import name '(\w+)' from 'flowrunner'")
_UNEXPECTED = "got an unexpected keyword argument '"
_CIRCULAR = re.compile(r"(cannot import name '\w+') from partially initialized module '(.+?)'")
_NAME_OF_OURS = re.compile(rf"{ROOT}\.f[0-9a-f]{{24}}\.")
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module that has run, and the snapshot of what it may ever import."""

    module: ModuleType
    snapshot: Snapshot


def load(snapshot: Snapshot, seconds: float = IMPORT_SECONDS) -> Loaded | Problem:
    """Run the entry's module body once; equal snapshots share their modules.

    What was not imported by then is not pinned, and cannot be imported later either. A module that
    takes longer than *seconds* is stopped, and is a problem like one that raises.
    """
    package = f"{ROOT}.f{snapshot.fingerprint}"
    finder = _finder()
    finder.snapshots[package] = snapshot
    module = import_aside(f"{package}.{snapshot.module}", _files_of(snapshot), seconds)
    if isinstance(module, BaseException):
        _forget(package)
        return _problem(module, snapshot)
    pinned = snapshot.without_unused(_used(package, snapshot))
    finder.snapshots[package] = pinned
    return Loaded(module, pinned)


def _used(package: str, snapshot: Snapshot) -> frozenset[str]:
    # Asked of the snapshot's few texts, not of all the modules that there are.
    named = {path: path.removesuffix(".py").removesuffix("/__init__") for path in snapshot.texts}
    dotted = {path: stem.replace("/", ".") for path, stem in named.items()}
    loaded = {path: name for path, name in dotted.items() if f"{package}.{name}" in sys.modules}
    return frozenset(path for path, name in loaded.items() if path == _path_of(snapshot, name))


def _forget(package: str) -> None:
    """Drop the modules, so that a next load runs them again."""
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        del sys.modules[name]


class _Finder(MetaPathFinder):
    """Finds modules of known snapshots, and nothing else."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname == ROOT or fullname in self.snapshots:
            return ModuleSpec(fullname, _Loader("", fullname), is_package=True)
        package = ".".join(fullname.split(".")[:2])
        snapshot = self.snapshots.get(package)
        path = _path_of(snapshot, fullname.removeprefix(f"{package}.")) if snapshot else None
        if snapshot is None or path is None:
            return None
        file = str(snapshot.level / path)
        loader = _Loader(snapshot.texts[path], file)
        is_package = path.endswith("/__init__.py")
        spec = ModuleSpec(fullname, loader, origin=file, is_package=is_package)
        spec.has_location = True
        return spec


class _Loader(Loader):
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file

    def exec_module(self, module: ModuleType) -> None:
        code = compile(self._text.removeprefix("\ufeff"), self._file, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  # importing is its purpose


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.append(finder)
    return finder


def _path_of(snapshot: Snapshot, dotted: str) -> str | None:
    stem = dotted.replace(".", "/")
    return next((p for p in (f"{stem}/__init__.py", f"{stem}.py") if p in snapshot.texts), None)


def _files_of(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(str(snapshot.level / path) for path in snapshot.texts)


def _problem(error: BaseException, snapshot: Snapshot) -> Problem:
    own = _files_of(snapshot)
    if isinstance(error, SyntaxError) and error.filename in own:
        return Problem("syntax-error", error.msg, error.filename, error.lineno, error.offset)
    file, line = _place(error, own)
    file = file or snapshot.file
    if isinstance(error, AsideError):
        return Problem("import-error", str(error), file, line, hint=error.hint)
    if line is None and isinstance(error, RecursionError | MemoryError):
        return Problem("syntax-error", "it nests too deep to be compiled", file)
    message = f"{type(error).__name__}: {_said(error)}".rstrip(": ")
    return Problem("import-error", message, file, line, hint=_hint(error, snapshot))


def _said(error: BaseException) -> str:
    """Return the error's own words, without the names that only we give to modules."""
    try:
        text = _NAME_OF_OURS.sub("", str(error))
    except Exception:  # noqa: BLE001  # an author's exception may raise where it should speak
        return ""
    if found := _UNIMPORTABLE.match(text) or _CIRCULAR.match(text):
        text = found[0].replace("partially initialized module ", "")
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _place(error: BaseException, own: Collection[str]) -> tuple[str | None, int | None]:
    if isinstance(error, AsideError):
        return error.file, error.line
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in own]
    return (frames[-1].filename, frames[-1].lineno) if frames else (None, None)


def _hint(error: BaseException, snapshot: Snapshot) -> str | None:
    text = _said(error)
    if isinstance(error, TypeError) and _UNEXPECTED in text:
        kind = _WRITTEN.get(text.partition(".")[0])
        name = text.partition(_UNEXPECTED)[2].partition("'")[0]
        return suggest(name, keywords(kind)) if kind else None
    if isinstance(error, ImportError) and (found := _UNIMPORTABLE.match(text)):
        return closest(found[1], dir(flowrunner))
    if isinstance(error, ImportError) and _CIRCULAR.match(error.msg):
        return "its files import each other in a circle: move what both need into a third"
    if isinstance(error, AttributeError) and isinstance(error.obj, Flow):
        return suggest(error.name or "", DECORATORS)
    if isinstance(error, ModuleNotFoundError) and error.name:
        own = {path.split("/")[-1].removesuffix(".py") for path in snapshot.texts}
        if error.name.split(".")[-1] in own or error.name.split(".")[0] == snapshot.module:
            return "files of a flow are imported relatively: from .name import ..."
    return None
