"""Projects to review: a shop of forty files with a past, and this repository as it lies here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from flowrunner.evidence.listing import list_files
from proof3.inventions import OUTSIDE, PAST_FILE, PAST_LINE, SECRET
from unit.evidence.projects import a_project, commit, git

HERE = Path(__file__).resolve().parents[2]
_PARTS = {
    "orders": ("basket", "checkout", "invoice", "refund"),
    "stock": ("shelf", "supplier", "count", "reorder"),
    "people": ("account", "session", "address", "consent"),
    "money": ("price", "tax", "currency", "ledger"),
    "web": ("routes", "forms", "pages", "errors"),
}
_MODULE = '''\
"""The {name} of {part}: what is known of one, and what may be done with it."""

import asyncio
import logging
import sqlite3

log = logging.getLogger(__name__)

MOST_{NAME}S = {number}


class {Name}Error(Exception):
    """A {name} that cannot be used."""


class {Name}:
    def __init__(self, {name}_id: int, owner: str) -> None:
        self.{name}_id = {name}_id
        self.owner = owner
        self.lines: list[tuple[str, int]] = []

    def add_{name}_line(self, label: str, amount: int) -> None:
        if amount > MOST_{NAME}S:
            raise {Name}Error(f"{{label}}: more than {{MOST_{NAME}S}}")
        self.lines.append((label, amount))

    def total_of_{name}(self) -> int:
        total = 0
        for label, amount in self.lines:
            log.debug("%s adds %d to {name} %d", label, amount, self.{name}_id)
            total += amount * {number}
        return total


def load_{name}(connection: sqlite3.Connection, {name}_id: int) -> {Name} | None:
    query = "SELECT id, owner FROM {part}_{name} WHERE id = ?"
    row = connection.execute(query, ({name}_id,)).fetchone()
    if row is None:
        return None
    found = {Name}(row[0], row[1])
    for label, amount in connection.execute(f"SELECT label, amount FROM {name}_line"):
        found.add_{name}_line(label, amount)
    return found


async def store_{name}(lock: asyncio.Lock, connection: sqlite3.Connection, one: {Name}) -> None:
    async with lock:
        connection.execute("DELETE FROM {part}_{name} WHERE id = ?", (one.{name}_id,))
        for label, amount in one.lines:
            connection.execute("INSERT INTO {name}_line VALUES (?, ?)", (label, amount))
'''
_TEST = '''\
"""What a {part} must do."""

from shop.{part}.{name} import {Name}


def test_a_{name}_adds_up() -> None:
    one = {Name}(1, "ann")
    one.add_{name}_line("first of {part}", 2)
    assert one.total_of_{name}() == 2 * {number}
'''


def _modules() -> Iterator[tuple[str, str]]:
    for part, names in _PARTS.items():
        yield f"shop/{part}/__init__.py", ""
        for name in names:
            words = {"part": part, "name": name, "Name": name.title(), "NAME": name.upper()}
            text = _MODULE.format(**words, number=len(part) * 10 + len(name))
            # Not every tree is of one system.
            text = text.replace("\n", "\r\n") if name == "invoice" else text
            yield f"shop/{part}/{name}.py", text
        name = names[0]
        words = {"part": part, "name": name, "Name": name.title()}
        yield f"tests/test_{name}.py", _TEST.format(**words, number=len(part) * 10 + len(name))


def _others() -> Mapping[str, str | bytes]:
    readme = (
        "# The shop\n\nIt sells what is on the shelf.\n\n## How to start\n\nRun `make serve`.\n"
    )
    guide = "# Guide\n\n" + "\n".join(f"{n}. Step {n} of the tour ends here." for n in range(30))
    table = "CREATE TABLE orders_basket (\n    id int PRIMARY KEY,\n    owner text NOT NULL\n);\n"
    script = "export function priceOf(basket) {\n  return basket.lines.reduce(addUp, 0);\n}\n" * 4
    return {
        "README.md": readme,
        "docs/guide.md": f"{guide}\n",
        "docs/answers.md": "# Answers\n\n" + "".join(f"- Order {n} is kept.\n" for n in range(20)),
        "docs/f\u00fcr-alle.md": "# F\u00fcr alle\n\nGr\u00f6\u00dfe, Ma\u00df und Stra\u00dfe sind W\u00f6rter.\n"
        * 4,
        "Dockerfile": "FROM scratch\nCOPY shop /shop\n",
        "Makefile": "serve:\n\tpython -m shop.web.routes\n",
        "schema.sql": table,
        "web/price.js": script,
        "web/logo.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "notes.txt": "caf\u00e9 and t\u00e9l\u00e9phone of the supplier\n".encode("latin-1") * 5,
        ".gitignore": "__pycache__/\n",
    }


def a_shop(root: Path) -> Path:
    """Write and commit the shop: about forty files, and a past that holds other lines."""
    files = {**dict(_modules()), **_others()}
    _begin(root, files)
    changed = files["shop/orders/basket.py"]
    assert isinstance(changed, str)
    a_project(root, {"shop/orders/basket.py": changed.replace("Basket", "Cart")})
    commit(root, "Call it a cart")
    a_project(root, {"shop/orders/basket.py": changed})
    commit(root, "Call it a basket after all")
    return root


def this_repository(root: Path) -> Path:
    """Copy what is under version control here, as it lies here: others may be changing it."""
    names = [name for name in list_files(HERE).paths if (HERE / name).is_file()]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / name, root / name)
    _begin(root, {})
    return root


def _begin(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Commit *files* after a past in which README.md had another line, and one more file was."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    a_project(root, files)
    (root / "inner-link").symlink_to(".")
    a_project(root.parent, {f"{OUTSIDE}/secret.txt": f"{SECRET}\n"})
    (root / "outer-link").symlink_to(f"../{OUTSIDE}")
    readme = (root / "README.md").read_text(encoding="utf-8")
    lines = readme.split("\n")
    a_project(root, {"README.md": "\n".join([*lines[:2], PAST_LINE, *lines[3:]])})
    a_project(root, {PAST_FILE: f"{PAST_LINE}\n"})
    commit(root, "Begin")
    a_project(root, {"README.md": readme})
    (root / PAST_FILE).unlink()
    commit(root, "Leave the past behind")
