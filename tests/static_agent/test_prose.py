"""Pages are held against the project that they describe."""

from pathlib import Path

import pytest

from flowrunner.dispatch.static.checks import prose
from flowrunner.dispatch.static.sources import Check
from static_agent.running import hits
from unit.evidence.projects import a_project

PAGES: list[tuple[Check, str, list[int]]] = [
    (prose.LINKS, "[a](docs/b.md) [c](docs/none.md)\n", [1]),
    (prose.LINKS, "![x](img/none.png)\n[r]: docs/none.md\n[s]: <docs/b.md>\n", [1, 2]),
    (prose.LINKS, "[a](docs/b.md#part) [b](docs/b.md?x=1) [c](#part) [d](docs/) [e](guide)\n", []),
    (prose.LINKS, "[a](https://x/none.md) [b](mailto:a@b.c) [c](/none.md) [d](//x/none.md)\n", []),
    (prose.LINKS, "```\n[a](none.md)\n```\n`[a](none.md)` <!-- [a](none.md) -->\n", []),
    (prose.LINKS, "<!--\n[a](none.md)\n-->\n[b](none.md)\n", [4]),
    (prose.LINKS, "[a](docs/a%20b.md) [b](<docs/a b.md>)\n", []),
    (prose.LINKS, "[a](../../actions/workflows/x.yml) [b]({{ site.md }}) [c](x/*.md)\n", []),
    (prose.LINKS, "[^1]: see none.md\n[a](b.html)\n", []),
    (prose.COMMANDS, "```sh\npython scripts/none.py\n$ ./scripts/run.sh\n```\n", [2]),
    (prose.COMMANDS, "```sh\npython yours/app.py\npython app.py\n```\n", []),
    (prose.COMMANDS, "```sh\ncd docs\npython scripts/none.py\n```\n", []),
    (prose.COMMANDS, "```python\npython scripts/none.py\n```\n", []),
    (
        prose.COMMANDS,
        "```sh\npytest scripts/none.py::test_a\npython -m scripts/none.py\n```\n",
        [2],
    ),
    (prose.TARGETS, "```sh\nmake build\nmake deploy X=1\nmake -C docs html\n```\n", [3]),
]


@pytest.mark.parametrize(("check", "content", "lines"), PAGES)
def test_pages_are_checked_against_the_project(
    tmp_path: Path, check: Check, content: str, lines: list[int]
) -> None:
    """What a page names relative to itself must be there; what it names elsewhere need not."""
    files = {"README.md": content, "docs/b.md": "", "docs/a b.md": "", "scripts/run.sh": ""}
    files["Makefile"] = ".PHONY: build\nX := 1\nbuild: x.o\n\tcc\n"

    assert [line for _, line in hits(check, tmp_path, files)] == lines


@pytest.mark.parametrize("makefile", ["include more.mk\n", "%.o: %.c\n\tcc\n", "$(ALL): x\n", ""])
def test_a_makefile_that_is_not_understood_proves_nothing(tmp_path: Path, makefile: str) -> None:
    """Targets may come from elsewhere."""
    files = {"README.md": "```\nmake nowhere\n```\n", "Makefile": makefile}

    assert hits(prose.TARGETS, tmp_path, files) == []


def test_a_link_out_of_the_project_tells_nothing_about_it(tmp_path: Path) -> None:
    """A folder that is a link must not turn the check into a way to ask what exists outside."""
    outside = a_project(tmp_path / "outside", {"there.md": ""})
    root = a_project(tmp_path / "p", {"x": ""})
    (root / "out").symlink_to(outside)
    page = "[a](out/there.md) [b](out/absent.md)\n"

    assert len(hits(prose.LINKS, root, {"README.md": page})) == 2
