"""Signs in files that a specialist should look: concurrency, stored data, operations, new modules.

Imports are read from Python's syntax tree, everything else by pattern; the same text always gives
the same signs. A sign is cheap and generous: it costs one more reviewer, not a finding.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from flowrunner.evidence.languages import is_docs, is_generated, is_source, language_of

PLACES_SHOWN = 5


class SignalKind(StrEnum):
    CONCURRENCY = "concurrency"
    STORAGE = "data"
    OPERATIONS = "operations"
    NEW_MODULE = "new-module"


class Place(BaseModel):
    """Where a sign was seen; line 0 means the file itself, by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    line: int
    sign: str


class Signal(BaseModel):
    """*count* is the number of files with such a sign; *places* are the first few."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: SignalKind
    count: int
    places: tuple[Place, ...]


_CONCURRENT_MODULES = frozenset(
    {"asyncio", "threading", "multiprocessing", "concurrent", "anyio", "trio", "gevent", "eventlet"}
    | {"_thread", "queue", "signal", "curio", "celery", "dramatiq"}
)
_STORAGE_MODULES = frozenset(
    {"sqlalchemy", "alembic", "psycopg", "psycopg2", "psycopg_pool", "asyncpg", "sqlite3"}
    | {"aiosqlite", "pymongo", "redis", "peewee", "tortoise", "sqlmodel", "django.db", "MySQLdb"}
    | {"pymysql", "aiomysql", "oracledb", "cassandra", "duckdb", "pyarrow"}
)
_CONCURRENT_TEXT = {
    "go": r"\bgo func\b|\bsync\.(?:Mutex|RWMutex|WaitGroup|Once)\b|\bmake\(chan\b|<-chan\b",
    "rust": r"\b(?:tokio::|std::sync|thread::spawn|Mutex<|RwLock<|Arc<|AtomicU?\w+)",
    "java": r"\bsynchronized\b|java\.util\.concurrent|\bnew Thread\b|\bvolatile\b",
    "kotlin": r"\bkotlinx\.coroutines\b|\bsynchronized\(|\bMutex\(",
    "csharp": r"\block\s*\(|\bInterlocked\.|\bSemaphoreSlim\b|\bTask\.Run\b",
    "c": r"\bpthread_\w+|\batomic_\w+",
    "cpp": r"\bstd::(?:thread|mutex|atomic|async|condition_variable)\b|\bpthread_\w+",
    "javascript": r"\bnew Worker\(|\bSharedArrayBuffer\b|\bAtomics\.|\bworker_threads\b",
    "typescript": r"\bnew Worker\(|\bSharedArrayBuffer\b|\bAtomics\.|\bworker_threads\b",
    "ruby": r"\bThread\.new\b|\bMutex\.new\b|\bRactor\b",
    "shell": r"\bflock\b|\bwait\s+-n\b",
}
_SQL = re.compile(
    r"\b(?:SELECT\s.{1,200}?\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s"
    r"|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|SCHEMA)\s)"
)
_MIGRATIONS = frozenset({"migrations", "migration", "alembic", "migrate"})
_DEPLOY_FOLDERS = frozenset(
    {".github", ".gitlab", ".circleci", ".ci", ".buildkite", "deploy", "deployment", "k8s", "helm"}
    | {"charts", "ansible", "terraform", "systemd", "infra", "ops"}
)
_DEPLOY_NAMES = re.compile(
    r"(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml|\.gitlab-ci\.yml|\.travis\.yml|tox\.ini|setup\.cfg"
    r"|pyproject\.toml|setup\.py|requirements[\w.-]*\.txt|[\w.-]*\.lock|package(?:-lock)?\.json"
    r"|go\.(?:mod|sum)|Cargo\.toml|alembic\.ini|nginx[\w.-]*\.conf|[\w.-]+\.service|\.env[\w.]*"
    r"|azure-pipelines\.yml|noxfile\.py|\.pre-commit-config\.yaml"
)
_DEPLOY_LANGUAGES = frozenset({"dockerfile", "make", "terraform", "groovy"})


def signs_in_name(path: str) -> Iterator[tuple[SignalKind, str]]:
    """Yield what the name alone tells."""
    place = PurePosixPath(path)
    folders = {part.lower() for part in place.parts[:-1]}
    language = language_of(path)
    if language == "sql" or (folders & _MIGRATIONS and is_source(path)):
        yield SignalKind.STORAGE, "schema or migration"
    deployed = language in _DEPLOY_LANGUAGES or _DEPLOY_NAMES.fullmatch(place.name)
    if deployed or (folders & _DEPLOY_FOLDERS and not is_docs(path)):
        yield SignalKind.OPERATIONS, "build, deployment or configuration"


def signs_in_text(path: str, lines: tuple[str, ...]) -> Iterator[tuple[SignalKind, int, str]]:
    """Yield (kind, line, sign) from a source file's text; tests and prose give none."""
    if not is_source(path) or is_generated(path):
        return
    if language_of(path) == "python":
        yield from _python_signs(lines)
    elif pattern := _CONCURRENT_TEXT.get(language_of(path)):
        yield from _matches(SignalKind.CONCURRENCY, re.compile(pattern), lines)
    yield from _matches(SignalKind.STORAGE, _SQL, lines)


def _python_signs(lines: tuple[str, ...]) -> Iterator[tuple[SignalKind, int, str]]:
    try:
        module = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from _matches(SignalKind.CONCURRENCY, re.compile(r"^\s*async def "), lines)
        return
    for node in ast.walk(module):
        if isinstance(node, ast.AsyncFunctionDef):
            yield SignalKind.CONCURRENCY, node.lineno, "async def"
        for name in _imported(node):
            if kind := _kind_of_import(name):
                yield kind, getattr(node, "lineno", 1), f"import {name}"


def _imported(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Import(names=names):
            return tuple(alias.name for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            return (module,)
        case _:
            return ()


def _kind_of_import(name: str) -> SignalKind | None:
    package = name.partition(".")[0]
    if package in _CONCURRENT_MODULES:
        return SignalKind.CONCURRENCY
    stored = package in _STORAGE_MODULES or name.startswith("django.db")
    return SignalKind.STORAGE if stored else None


def _matches(
    kind: SignalKind, pattern: re.Pattern[str], lines: tuple[str, ...]
) -> Iterator[tuple[SignalKind, int, str]]:
    for number, line in enumerate(lines, start=1):
        if found := pattern.search(line[:2000]):
            yield kind, number, found[0].strip()[:60]
