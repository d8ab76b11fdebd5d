"""The shape of a project, read off its files: who uses whom, and what stands out."""

from pathlib import Path

import pytest

from flowrunner.evidence.structure.cycles import arrows_of, find_knots
from flowrunner.evidence.structure.faults import Fault, find_faults
from flowrunner.evidence.structure.survey import Survey, inventory
from unit.evidence.projects import a_project, a_repository, commit

NEEDS = '[project]\nname = "shop"\ndependencies = ["PyYAML>=6"]\n'


def faults(root: Path, files: dict[str, str], *kinds: str) -> list[Fault]:
    found = find_faults(Survey.of(a_project(root, files)))
    return [fault for fault in found if not kinds or fault.kind in kinds]


def a_package(**modules: str) -> dict[str, str]:
    return {"shop/__init__.py": "", **{f"shop/{n}.py": text for n, text in modules.items()}}


def test_a_circle_is_told_with_its_way(tmp_path: Path) -> None:
    """Each hop has a file and a line; what hangs on the circle is not in it."""
    files = a_package(
        a="import os\nfrom shop import b\n", b="from . import c\n", c="from shop.a import x\n",
        d="import shop.a\n",
    )  # fmt: skip

    (fault,) = faults(tmp_path, files, "import-cycle", "deferred-cycle")

    assert (fault.kind, fault.path, fault.line) == ("import-cycle", "shop/a.py", 2)
    way = "shop/a.py:2 imports shop/b.py, shop/b.py:1 imports shop/c.py, shop/c.py:1 imports shop/a.py"
    assert way in fault.told


@pytest.mark.parametrize(
    ("back", "kinds"),
    [
        ("def f():\n    from shop import a\n", ["deferred-cycle"]),
        ("try:\n    from shop import a\nexcept ImportError:\n    a = None\n", ["deferred-cycle"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import a\n", []),
        ("from shop import a\n", ["import-cycle"]),
    ],
    ids=["late", "guarded", "typing", "load"],
)  # fmt: skip
def test_when_an_import_happens_decides(tmp_path: Path, back: str, kinds: list[str]) -> None:
    """An import for type checkers ties nothing; a late one defers the knot."""
    files = a_package(a="from shop import b\n", b=back)

    assert [f.kind for f in faults(tmp_path, files, "import-cycle", "deferred-cycle")] == kinds


def test_components_that_use_each_other(tmp_path: Path) -> None:
    """The side that does it less is named, with each place."""
    files = {
        "shop/__init__.py": "", "shop/core/__init__.py": "", "shop/core/a.py": "", "shop/core/b.py": "",
        "shop/web/__init__.py": "", "shop/web/a.py": "import shop.core.a\n",
        "shop/web/b.py": "import shop.core.a\nimport shop.core.b\n",
    }  # fmt: skip
    files["shop/core/b.py"] = "\nimport shop.web.a\n"

    (fault,) = faults(tmp_path, files, "mutual-components")

    assert (fault.path, fault.line) == ("shop/core/b.py", 2)
    assert "shop.web imports shop.core 3 times" in fault.told


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("x = 1\n", True),
        ("if __name__ == '__main__':\n    pass\n", False),
    ],
    ids=["dead", "script"],
)
def test_a_module_that_nobody_names(tmp_path: Path, text: str, unused: bool) -> None:  # noqa: FBT001
    """Imported by nobody, tests included, and named by no text: only then."""
    files = a_package(used="", lonely=text, cli="import shop.used\n")

    assert [f.path for f in faults(tmp_path, files, "unused-module")] == ["shop/lonely.py"] * unused


@pytest.mark.parametrize(
    "other",
    [
        {"tests/test_x.py": "import shop.lonely\n"},
        {"shop/cli.py": "load('shop.lonely:Thing')\n"},
        {"shop/cli.py": "load('lonely')\n"},
        {"setup.cfg": "x = shop.lonely\n"},
        {"shop/__init__.py": "import_module(f'.{name}', __name__)\n"},
        {"cli/run.py": "import_module(f'shop.{name}')\nX = 'shop'\n"},
    ],
    ids=["test", "dotted", "stem", "config", "computed", "computed-elsewhere"],
)
def test_who_names_a_module_uses_it(tmp_path: Path, other: dict[str, str]) -> None:
    """Plug-ins are loaded by text."""
    assert faults(tmp_path, {**a_package(lonely="x = 1\n"), **other}, "unused-module") == []


DEPENDENCIES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "met": ({"a": "import yaml\nimport os\n"}, []),
    "undeclared": (
        {"a": "import yaml\nimport attr\n"},
        [("undeclared-dependency", "shop/a.py:2")],
    ),
    "optional": ({"a": "import yaml\ntry:\n    import attr\nexcept ImportError:\n    pass\n"}, []),
    "unused": ({"a": "x = 1\n"}, [("unused-dependency", "pyproject.toml:3")]),
    # The one may be what the other provides.
    "doubtful": ({"a": "import attr\n"}, []),
}


@pytest.mark.parametrize("case", DEPENDENCIES)
def test_what_is_declared_and_what_is_imported(tmp_path: Path, case: str) -> None:
    """Both ways, and neither where it may be a matter of names."""
    modules, expected = DEPENDENCIES[case]
    files = {"pyproject.toml": NEEDS, **a_package(**modules)}

    found = faults(tmp_path, files, "undeclared-dependency", "unused-dependency")
    assert [(f.kind, f"{f.path}:{f.line}") for f in found] == expected


def test_scripts_and_go_are_read_by_their_imports(tmp_path: Path) -> None:
    """Relative imports of JavaScript and TypeScript, and packages of a Go module."""
    files = {
        "web/a.ts": "import { b } from './b'\nimport type { T } from './c'\nimport x from 'left-pad'\n",
        "web/b.ts": "export * from './a'\nconst fs = require('node:fs')\n",
        "web/c.ts": "export type T = number\n",
        "package.json": '{"dependencies": {}}',
        "go.mod": "module example.org/shop\n",
        "one/a.go": 'package one\n\nimport (\n\t"fmt"\n\t"example.org/shop/two"\n)\n',
        "two/b.go": "package two\n",
    }  # fmt: skip
    survey = Survey.of(a_project(tmp_path, files))

    edges = {(e.source, e.target, e.when) for e in survey.edges}
    assert edges == {
        ("web/a.ts", "web/b.ts", "load"), ("web/a.ts", "web/c.ts", "typing"),
        ("web/b.ts", "web/a.ts", "load"), ("one/a.go", "two", "load"),
    }  # fmt: skip
    kinds = {(f.kind, f.path, f.line) for f in find_faults(survey)}
    assert kinds == {("import-cycle", "web/a.ts", 1), ("undeclared-dependency", "web/a.ts", 3)}


def test_change_and_length_make_a_hot_spot(tmp_path: Path) -> None:
    """Git tells how often; without a history that is said, not guessed."""
    root = a_repository(tmp_path / "r", a_package(big="x = 1\n" * 500))
    for number in range(15):
        (root / "shop/big.py").write_text(f"y = {number}\n" + "x = 1\n" * 500, encoding="utf-8")
        commit(root)

    assert [f.path for f in find_faults(Survey.of(root)) if f.kind == "hot-spot"] == ["shop/big.py"]
    assert inventory(Survey.of(root)).has_history
    assert not inventory(Survey.of(a_project(tmp_path / "p", a_package(a="")))).has_history


def test_where_everything_meets(tmp_path: Path) -> None:
    """Long, used by many and using many: all three."""
    others = {f"u{n}": "import shop.hub\n" for n in range(10)} | {f"d{n}": "" for n in range(10)}
    hub = "".join(f"import shop.d{n}\n" for n in range(10)) + "x = 1\n" * 600

    (fault,) = faults(tmp_path, a_package(hub=hub, **others), "crossroads")

    assert fault.path == "shop/hub.py"
    assert "used by 10 files" in fault.told


def test_the_inventory_counts_what_is_the_product(tmp_path: Path) -> None:
    """Tests and examples are not parts; files that do not parse are named."""
    files = a_package(a="import shop.b\n", b="x = 1\n", bad="x = (\n")
    files |= {"tests/test_a.py": "import shop.a\n", "examples/e.py": "import shop.a\n"}

    told = inventory(Survey.of(a_project(tmp_path, files)))

    assert (told.files, told.imports, told.unread) == (4, 1, ("shop/bad.py",))
    assert [part.name for part in told.parts] == ["shop", "shop.a", "shop.b"]


def test_a_long_chain_and_a_large_knot_are_searched_without_recursion() -> None:
    """Deeper than Python may call."""
    chain = [(f"{n:05}", f"{n + 1:05}") for n in range(5000)]

    assert find_knots(arrows_of(chain)) == ()
    (knot,) = find_knots(arrows_of([*chain, ("05000", "00000")]))
    assert (len(knot.nodes), len(knot.way)) == (5001, 5002)


def test_only_a_large_package_is_parted(tmp_path: Path) -> None:
    """Small packages beside a large one, and scripts of one folder, are one component each."""
    files = a_package(a="", b="", c="", d="", e="", f="", g="", h="")
    files |= {f"plug/{name}.py": "" for name in ("__init__", "one")}
    files |= {f"moves/v/{name}.py": "x = 1\n" for name in ("m1", "m2")} | {"run.py": "x = 1\n"}

    names = {part.name for part in inventory(Survey.of(a_project(tmp_path, files))).parts}

    assert {"plug", "moves/v", "run", "shop.a"} <= names
    assert "plug.one" not in names
