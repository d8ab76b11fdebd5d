"""The Python modules of a tree, read and never imported: what each defines, and what it imports."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from flowrunner.evidence.languages import is_generated, is_test

When: TypeAlias = Literal["load", "late", "typing", "guarded"]
"""At import of the module; in a function; for type checkers only; or where it may be absent."""

Body: TypeAlias = Sequence[ast.stmt]
_ROOTS = ("src/", "lib/", "python/")
_ASIDE = frozenset(
    {"example", "examples", "sample", "samples", "demo", "demos", "docs", "doc", "benchmark"}
    | {"benchmarks", "script", "scripts", "tools", "tutorial", "tutorials"}
)
_ABSENT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
MORE = "*"
_DYNAMIC = frozenset({"globals", "setattr", "exec", "vars", "locals"})


@dataclass(frozen=True, slots=True)
class Import:
    """`import target` (*name* None) or `from target import name`; *target* is absolute."""

    target: str
    name: str | None
    line: int
    when: When


@dataclass(frozen=True, slots=True)
class Module:
    """*names* maps what the module binds to the members of a class, None for what is no class.

    The member `MORE` says that bases or decorators may add others. *is_open*: the module itself may
    bind more than can be read off it.
    """

    name: str
    path: str
    is_package: bool
    line_count: int
    imports: tuple[Import, ...]
    names: Mapping[str, frozenset[str] | None]
    is_open: bool


@dataclass(frozen=True)
class Modules:
    """All modules of a tree by path; a name may be looked up as it would be imported."""

    by_path: Mapping[str, Module]
    broken: tuple[str, ...] = ()
    _aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def by_name(self) -> Mapping[str, Module]:
        names = {name: self.by_path[path] for name, path in self._aliases.items()}
        return names | {module.name: module for module in self.by_path.values()}

    @cached_property
    def tops(self) -> frozenset[str]:
        """The first parts of importable names that are this project's own."""
        own = [m for m in self.by_path.values() if not is_aside(m.path)]
        packages = {m.name.partition(".")[0] for m in own if "." in m.name}
        return frozenset(packages | {m.name for m in own if m.is_package})

    def find(self, dotted: str) -> Module | None:
        return self.by_name.get(dotted)

    def nearest(self, dotted: str) -> tuple[Module, tuple[str, ...]] | None:
        """Return the module that the longest beginning of *dotted* names, and what is left."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            if module := self.find(".".join(parts[:end])):
                return module, tuple(parts[end:])
        return None

    def imported(self, found: Import) -> Module | None:
        """Return the project's own module that an import loads, if it is one."""
        if found.name is not None and (module := self.find(f"{found.target}.{found.name}")):
            return module
        if module := self.find(found.target):
            return module
        nearest = self.nearest(found.target) if found.name is None else None
        return nearest[0] if nearest else None


def is_aside(path: str) -> bool:
    """Return whether a file is beside the product: a test, an example, a tool, a page's code."""
    folders = {part.lower() for part in PurePosixPath(path).parts[:-1]}
    return is_test(path) or is_generated(path) or not folders.isdisjoint(_ASIDE)


def read_modules(texts: Iterable[tuple[str, str]]) -> Modules:
    """Read (path, text) of Python files; what does not parse is named in `broken`."""
    files = dict(texts)
    packages = {str(PurePosixPath(path).parent) for path in files if _is_init(path)}
    found: dict[str, Module] = {}
    broken: list[str] = []
    for path in sorted(files):
        tree = _parse(files[path])
        if tree is None:
            broken.append(path)
            continue
        name = _name_of(path, packages)
        found[path] = _module(name, path, files[path], tree)
    aliases = {alias: path for path in found for alias in _aliases(path)}
    return Modules(found, tuple(broken), aliases)


def parse_quietly(text: str) -> ast.Module:
    """Parse without the warnings of foreign code. Raises SyntaxError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def bound_names(body: Body) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Yield what statements bind, in any branch, and the members of classes."""
    for node in _flat(body):
        match node:
            case ast.ClassDef(name=name):
                yield name, _members(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, None
            case ast.Import(names=names):
                yield from ((a.asname or a.name.partition(".")[0], None) for a in names)
            case ast.ImportFrom(names=names):
                yield from ((a.asname or a.name, None) for a in names if a.name != "*")
            case _:
                yield from ((name, None) for name in _assigned(node))


def _parse(text: str) -> ast.Module | None:
    try:
        return parse_quietly(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _module(name: str, path: str, text: str, tree: ast.Module) -> Module:
    is_package = _is_init(path)
    package = name if is_package else name.rpartition(".")[0]
    names: dict[str, frozenset[str] | None] = {}
    for bound, members in bound_names(tree.body):
        names[bound] = None if bound in names else members
    return Module(
        name=name,
        path=path,
        is_package=is_package,
        line_count=text.count("\n") + (not text.endswith("\n") and bool(text)),
        imports=tuple(_imports(tree, package)),
        names=names,
        is_open=_is_open(tree, names),
    )


def _is_init(path: str) -> bool:
    return PurePosixPath(path).name in {"__init__.py", "__init__.pyi"}


def _name_of(path: str, packages: set[str]) -> str:
    place = PurePosixPath(path)
    parts = [] if _is_init(path) else [place.stem]
    folder = place.parent
    while str(folder) in packages and folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or place.parent.name or place.stem


def _aliases(path: str) -> Iterator[str]:
    for root in ("", *_ROOTS):
        if path.startswith(root):
            dotted = path.removeprefix(root).rpartition(".")[0].replace("/", ".")
            yield dotted.removesuffix(".__init__")


def _imports(tree: ast.Module, package: str) -> Iterator[Import]:
    waiting: list[tuple[ast.AST, When]] = []
    waiting.append((tree, "load"))
    while waiting:
        node, when = waiting.pop()
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, None, node.lineno, when) for alias in names)
            case ast.ImportFrom(names=names):
                target = _absolute(node, package)
                if target:
                    yield from (Import(target, a.name, node.lineno, when) for a in names)
            case _:
                for child in _children(node):
                    waiting.append((child, _when(node, child, when)))  # noqa: PERF401


def _children(node: ast.AST) -> list[ast.AST]:
    return list(ast.iter_child_nodes(node))[::-1]


def _when(node: ast.AST, child: ast.AST, when: When) -> When:
    if when != "load":
        return when
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return "late"
        case ast.If(test=test, body=body) if child in body and "TYPE_CHECKING" in ast.dump(test):
            return "typing"
        case ast.If():
            return "guarded"
        case ast.Try(handlers=handlers) if any(_catches_absence(each) for each in handlers):
            return "guarded"
        case ast.With(items=items) if any("suppress" in ast.dump(i.context_expr) for i in items):
            return "guarded"
        case _:
            return when


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in _ABSENT for n in ast.walk(handler.type))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level - 1 > len(parts):
        return ""
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _flat(body: Body) -> Iterator[ast.stmt]:
    """Yield statements, those within if, try, with and loops too, but not within functions."""
    waiting = list(body)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting += [n for n in _children(node) if isinstance(n, ast.stmt)]
            inner = (n for n in _children(node) if isinstance(n, ast.ExceptHandler))
            waiting += [each for handler in inner for each in handler.body]


def _assigned(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.With):
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _members(node: ast.ClassDef) -> frozenset[str]:
    """Return what a class binds, and `MORE` where something may add to it."""
    names = {name for name, _ in bound_names(node.body)}
    hidden = names & {"__getattr__", "__getattribute__", "__slots__"}
    if node.bases or node.keywords or node.decorator_list or hidden:
        names.add(MORE)
    own = {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id in {"self", "cls"}
    }
    return frozenset(names | own | set(dir(object)))


def _is_open(tree: ast.Module, names: Mapping[str, object]) -> bool:
    if "__getattr__" in names or "__path__" in names:
        return True
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                return True
            case ast.Call(func=ast.Name(id=name)) if name in _DYNAMIC:
                return True
            case ast.Attribute(attr="modules", value=ast.Name(id="sys")):
                return True
            case _:
                continue
    return False
