"""What code reads off a page, and what it says of it: true, false, or not to be told."""

from pathlib import Path

import pytest

from flowrunner.evidence.docs.audit import Audit
from flowrunner.evidence.docs.pages import read_page
from flowrunner.evidence.docs.statements import Kind, Statement
from unit.evidence.projects import a_project

FILES = {
    "pyproject.toml": '[project]\nrequires-python = ">=3.11"\n[project.scripts]\nshop = "shop.cli:main"\n',
    "Makefile": "build: x\n\tcc\n",
    "src/shop/__init__.py": "from shop.cart import Cart\n",
    "src/shop/cart.py": "class Cart:\n    limit = 3\n    def add(self):\n        self.size = 1\n\nTASK = 'shop.tidy'\n",
    "src/shop/open.py": "from os import *\n",
    "src/shop/cli.py": "def main():\n    add('--dry-run')\n    sub('list')\n",
    "src/shop/settings.py": "class S:\n    model = dict(env_prefix='SHOP_')\n    port: int = 1\n",
    "docs/guide.md": "# The Guide\n\n## Set up\n",
    "examples/other/__init__.py": "",
}


def told(tmp_path: Path, text: str, name: str = "README.md") -> list[Statement]:
    """Return what is said of a page with *text*."""
    root = a_project(tmp_path, {**FILES, name: text})
    audit = Audit(root)
    page = audit.page(name)
    assert page is not None
    return list(audit.statements(page))


FALSE: dict[str, tuple[str, Kind, int]] = {
    "link": ("[a](docs/none.md)\n", Kind.LINK, 1),
    "anchor-here": ("# One\n\n[a](#two)\n", Kind.ANCHOR, 3),
    "anchor-there": ("[a](docs/guide.md#none)\n", Kind.ANCHOR, 1),
    "line-beyond": ("[a](src/shop/cart.py#L99)\n", Kind.ANCHOR, 1),
    "script": ("```sh\npython src/none.py\n```\n", Kind.FILE, 2),
    "target": ("```sh\nmake deploy\n```\n", Kind.TARGET, 2),
    "command": ("Run `shop remove`.\n", Kind.COMMAND, 1),
    "option": ("```sh\n$ shop list --force\n```\n", Kind.OPTION, 2),
    "variable": ("Set `SHOP_COLOUR`.\n", Kind.VARIABLE, 1),
    "path": ("See `src/shop/basket.py`.\n", Kind.PATH, 1),
    "name": ("Call `shop.cart.empty()`.\n", Kind.NAME, 1),
    "member": ("Call `shop.cart.Cart.remove`.\n", Kind.NAME, 1),
    "import": ("```python\nx = 1\nfrom shop.basket import B\n```\n", Kind.IMPORT, 3),
    "python": ("```python\nx = (\n```\n", Kind.CODE, 2),
    "json": ('```json\n{"a": 1,\n "b" 2}\n```\n', Kind.CODE, 3),
    "toml": ("```toml\na = \n```\n", Kind.CODE, 2),
    "yaml": ("```yaml\na: [1\n```\n", Kind.CODE, 2),
    "version": ("It needs Python 3.9 or newer.\n", Kind.VERSION, 1),
}


@pytest.mark.parametrize("case", FALSE)
def test_what_is_false_is_found_at_its_line(tmp_path: Path, case: str) -> None:
    """F-02, docs-audit: every kind of statement, false once, is told with its line and why."""
    text, kind, line = FALSE[case]

    wrong = [each for each in told(tmp_path, text) if each.holds is False]

    assert [(each.kind, each.line) for each in wrong] == [(kind, line)]
    assert wrong[0].why


TRUE = {
    "link": "[a](docs/guide.md) [b](https://example.org/none.md)\n",
    "anchors": "# One two\n\n[a](#one-two) [b](docs/guide.md#set-up) [c](#one-two-1)\n",
    "line": "[a](src/shop/cart.py#L2-L3)\n",
    "commands": "```sh\nmake build\nshop list --dry-run\nother --force\n```\n",
    "variable": "Set `SHOP_PORT`, not `HOME_DIR`.\n",
    "names": "`shop.Cart`, `shop.cart.Cart.add`, `shop.cart.Cart.size`, `shop.cart.TASK`.\n",
    "path": "See `src/shop/cart.py` and `shop/cart.py`.\n",
    "import": "```python\nfrom shop import Cart, open\nimport shop.cart\nimport nowhere\n```\n",
    "fragments": "```python\nfor x in y:\n    ...\nawait z\n```\n```python\n@wraps\n```\n",
    "prompt": "```python\n>>> 1 +\n... 1\n2 is what it says\n```\n",
    "placeholders": '```json\n{"a": ...}\n```\n```yaml\na: <name>\n```\n```python\n{{ x }}\n```\n',
    "comments": '```json\n{"a": 1, // why\n}\n```\n',
    "newer": "```python\ntype A = int\n```\n```python\nf'{g('a')}'\n```\n",
    "version": "It needs Python 3.11 or newer. In Python 3.7 and later this differs.\n",
}


@pytest.mark.parametrize("case", TRUE)
def test_what_is_true_is_left_alone(tmp_path: Path, case: str) -> None:
    """A false alarm costs more than a fault that a reader finds."""
    assert [each for each in told(tmp_path, TRUE[case]) if each.holds is False] == []


UNDECIDED = {
    "made-by-reader": "Create `src/shop/mine.py` first.\n",
    "past": "The function `shop.cart.empty` was removed.\n",
    "text-in-source": "The task `shop.tidy` runs daily.\n",
    "made-on-the-page": "```python\n@command('mine')\ndef f(): ...\n```\n\n```sh\nshop mine\n```\n",
    "open-module": "`shop.open.path` is the same.\n",
    "past-example": "Before, one wrote it the old way:\n\n```python\nfrom shop.old import B\n```\n",
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_code_cannot_tell_stays_open(tmp_path: Path, case: str) -> None:
    """Neither true nor false: said so, instead of guessed."""
    held = [each.holds for each in told(tmp_path, UNDECIDED[case]) if each.kind is not Kind.CODE]
    assert set(held) == {None}


def test_a_changelog_may_name_what_is_gone(tmp_path: Path) -> None:
    """What was is not held against the page that tells it; its links are."""
    text = "Removed `shop.cart.empty`, see [there](none.md).\n"

    assert [s.kind for s in told(tmp_path, text, "CHANGELOG.md")] == [Kind.LINK]


def test_other_peoples_names_are_not_judged(tmp_path: Path) -> None:
    """Only packages of the product are known well enough; an example's are not."""
    assert told(tmp_path, "`other.thing` and `os.nothing`.\n") == []


RST = """\
Title
=====

.. _here:

See :ref:`here`, :ref:`gone`, :doc:`none`, :func:`shop.cart.empty` and :func:`~shop.cart.Cart.add`.

.. include:: none.rst

.. code-block:: python
    :caption: x

    from shop import basket

Literal::

    x = (
"""


def test_rst_is_read_too(tmp_path: Path) -> None:
    """Sphinx pages: roles, labels, inclusions and blocks with options."""
    found = told(tmp_path, RST, "docs/page.rst")

    wrong = [(each.kind, each.subject, each.line) for each in found if each.holds is False]
    assert sorted(wrong) == [
        (Kind.LINK, "none", 6),
        (Kind.LINK, "none.rst", 8),
        (Kind.IMPORT, "shop.basket", 13),
        (Kind.NAME, "shop.cart.empty", 6),
    ]
    # With a page missing, labels that nobody knows may stand in it.
    labels = {each.subject: each.holds for each in found if each.kind is Kind.ANCHOR}
    assert labels == {"here": True, "gone": None}


@pytest.mark.parametrize(("caption", "count"), [("/etc/hosts", 0), ("app.py", 1), ("Hosts", 1)])
def test_a_caption_may_say_that_it_is_no_python(tmp_path: Path, caption: str, count: int) -> None:
    """Pages call all kinds of files python for their colours: a caption with another name tells."""
    text = f".. code-block:: python\n    :caption: ``{caption}``\n\n    127.0.0.1 hello.localhost\n"

    found = [s for s in told(tmp_path, text, "docs/page.rst") if s.holds is False]

    assert len(found) == count


def test_a_label_that_no_page_has_is_missed_once_all_pages_are_there(tmp_path: Path) -> None:
    """Complete pages make a missing label a fault."""
    (wrong,) = [s for s in told(tmp_path, "See :ref:`gone`.\n", "docs/a.rst") if s.holds is False]
    assert (wrong.kind, wrong.subject) == (Kind.ANCHOR, "gone")


@pytest.mark.parametrize(
    "text",
    [
        "```",
        "```python\nx",
        "<!--",
        "~~~\n```\n",
        "---\na: b\n",
        "[](",
        "`" * 99,
        "\0",
        "::",
        ".. ",
    ],
)
@pytest.mark.parametrize("path", ["a.md", "a.rst"])
def test_broken_markup_is_read_as_far_as_it_goes(path: str, text: str) -> None:
    """Hostile and half-written pages raise nothing."""
    assert read_page(path, text.split("\n")).path == path
