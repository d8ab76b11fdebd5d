"""What a project says it needs, held against what it imports."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from flowrunner.evidence.docs.facts import table_at

_NAME = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)")
_CFG_NAME = re.compile(r"^\s+([A-Za-z0-9][\w.-]*)\s*(?:[<>=!~;\[@].*)?$", re.MULTILINE)
_TEXT = re.compile(r"""["']([A-Za-z0-9][\w.-]*)\s*(?:[<>=!~;\[@][^"']*)?["']""")
_IMPORTED_AS: Mapping[str, tuple[str, ...]] = {
    "attrs": ("attr", "attrs"), "beautifulsoup4": ("bs4",), "pyyaml": ("yaml",),
    "pillow": ("PIL",), "python-dateutil": ("dateutil",), "scikit-learn": ("sklearn",),
    "opencv-python": ("cv2",), "msgpack-python": ("msgpack",), "pyjwt": ("jwt",),
    "python-dotenv": ("dotenv",), "protobuf": ("google",),
    "setuptools": ("setuptools", "pkg_resources"),
    "psycopg2-binary": ("psycopg2",), "mysqlclient": ("MySQLdb",), "pycryptodome": ("Crypto",),
    "gitpython": ("git",), "typing-extensions": ("typing_extensions",), "pyzmq": ("zmq",),
    "websocket-client": ("websocket",), "python-slugify": ("slugify",), "pysocks": ("socks",),
    "requests-toolbelt": ("requests_toolbelt",), "markdown-it-py": ("markdown_it",),
    "ruamel-yaml": ("ruamel",), "zope-interface": ("zope",), "backports-zoneinfo": ("backports",),
    "pyopenssl": ("OpenSSL",), "pynacl": ("nacl",), "dnspython": ("dns",), "pyserial": ("serial",),
    "faust-cchardet": ("cchardet",), "antlr4-python3-runtime": ("antlr4",),
    "py-cpuinfo": ("cpuinfo",),
}  # fmt: skip
_NODE_OWN = re.compile(r"^(?:node:|bun:|~|@/|#|/|virtual:)")
_NODE_BUILT_IN = frozenset(
    {"assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants"}
    | {"crypto", "dgram", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector"}
    | {"module", "net", "os", "path", "perf_hooks", "process", "punycode", "querystring", "repl"}
    | {"readline", "stream", "string_decoder", "timers", "tls", "tty", "url", "util", "v8", "vm"}
    | {"wasi", "worker_threads", "zlib"}
)


@dataclass(frozen=True, slots=True)
class Requirements:
    """*needed* maps a normalised name to the line of *file* that asks for it; *known* adds extras.

    *is_whole*: nothing suggests that there are more than those that were read.
    """

    file: str
    needed: Mapping[str, int]
    known: frozenset[str]
    is_whole: bool


def python_requirements(text_of: Callable[[str], str]) -> Requirements | None:
    """Read pyproject.toml (PEP 621 or Poetry), or setup.cfg; None where nothing is declared."""
    text = text_of("pyproject.toml")
    table = _toml(text)
    project, poetry = table_at(table, "project"), table_at(table, "tool", "poetry")
    extras = _texts(_flat(table_at(project, "optional-dependencies")))
    extras += _texts(_flat(table_at(table, "dependency-groups")))
    if "dependencies" in project:
        names = _texts(project["dependencies"])
        return _requirements("pyproject.toml", text, names, extras)
    if "dependencies" in poetry:
        names = list(table_at(poetry, "dependencies"))
        groups = table_at(poetry, "group")
        extras += [n for each in groups for n in table_at(groups, each, "dependencies")]
        extras += list(table_at(poetry, "dev-dependencies"))
        return _requirements("pyproject.toml", text, names, extras)
    config = text_of("setup.cfg")
    if found := re.search(r"^install_requires\s*=\s*\n((?:[ \t]+.*\n|\n)*)", config, re.MULTILINE):
        names = _CFG_NAME.findall(found[1])
        return _requirements("setup.cfg", config, names, _CFG_NAME.findall(config))
    return None


def script_requirements(file: str, text: str) -> Requirements | None:
    """Read a package.json; None if it is none."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(table, dict):
        return None
    rich = cast("dict[str, Any]", table)
    kinds = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
    known = frozenset(name for kind in kinds for name in table_at(rich, kind))
    lines = {name: _line(text, f'"{name}"') for name in table_at(rich, "dependencies")}
    return Requirements(file, lines, known, is_whole=True)


def imported_names(requirement: str) -> tuple[str, ...]:
    """Return under which top-level names a Python requirement is imported, as far as known."""
    plain = requirement.lower().replace("_", "-").replace(".", "-")
    known = _IMPORTED_AS.get(plain, ())
    bare = plain.removeprefix("python-").removeprefix("py").strip("-")
    guesses = (plain, plain.removeprefix("python-"), plain.removesuffix("-python"), bare)
    return (*known, *dict.fromkeys(guess.replace("-", "_") for guess in guesses))


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def script_package(name: str) -> str | None:
    """Return the package of an import in JavaScript, None for what is no package."""
    if _NODE_OWN.match(name) or name.partition("/")[0] in _NODE_BUILT_IN:
        return None
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def _requirements(
    file: str, text: str, names: Sequence[str], extras: Sequence[str]
) -> Requirements:
    needed = {_plain(name): _line(text, name) for name in map(_bare, names) if name != "python"}
    known = frozenset({*needed, *(_plain(_bare(name)) for name in extras)})
    dynamic = re.search(r"dynamic\s*=\s*\[[^\]]*dependencies", text) is not None
    return Requirements(file, needed, known, is_whole=not dynamic)


def _bare(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found[1] if found else requirement


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _line(text: str, name: str) -> int:
    pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
    lines = text.splitlines()
    listed = (n for n, line in enumerate(lines, 1) if pattern.search(line) and _TEXT.search(line))
    named = (n for n, line in enumerate(lines, 1) if pattern.search(line))
    return next(listed, next(named, 1))


def _flat(table: Mapping[str, Any]) -> list[Any]:
    return [
        each
        for value in table.values()
        if isinstance(value, list)
        for each in cast("list[Any]", value)
    ]


def _texts(value: object) -> list[str]:
    members = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in members if isinstance(each, str)]


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
