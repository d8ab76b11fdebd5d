"""Checks of Python by its syntax tree: dead code, forgotten awaits, idle tests, size."""

from pathlib import Path

import pytest

from flowrunner.dispatch.static.checks import assertions, control_flow, size
from flowrunner.dispatch.static.sources import Check
from static_agent.running import hits

ASYNC = "async def f():\n    pass\n\n\n"

FOUND: list[tuple[Check, str, str | bytes, list[int]]] = [
    (control_flow.DEAD, "a.py", "def f():\n    return 1\n    g()\n    h()\n", [3]),
    (control_flow.DEAD, "a.py", "def f():\n    return\n    yield\n", []),
    (
        control_flow.DEAD,
        "a.py",
        "for x in y:\n    if x:\n        continue\n    else:\n        break\n",
        [],
    ),
    (control_flow.DEAD, "a.py", "while x:\n    break\n    y()\nf = lambda: 1\n", [3]),
    (
        control_flow.HANDLERS,
        "a.py",
        "try:\n    f()\nexcept Exception:\n    a()\nexcept KeyError:\n    b()\n",
        [5],
    ),
    (
        control_flow.HANDLERS,
        "a.py",
        "try:\n    f()\nexcept KeyError:\n    a()\nexcept Exception:\n    b()\n",
        [],
    ),
    (
        control_flow.HANDLERS,
        "a.py",
        "try:\n    f()\nexcept Exception:\n    a()\nexcept (KeyError, Own):\n    b()\n",
        [],
    ),
    (
        control_flow.HANDLERS,
        "a.py",
        (
            "class KeyError(BaseException): ...\n\n\n"
            "try:\n    f()\nexcept Exception:\n    a()\nexcept KeyError:\n    b()\n"
        ),
        [],
    ),
    (
        control_flow.HANDLERS,
        "a.py",
        (
            "try:\n    f()\nexcept (OSError, ValueError):\n    a()\n"
            "except (IOError, UnicodeError):\n    b()\n"
        ),
        [5],
    ),
    (
        control_flow.AWAITS,
        "a.py",
        ASYNC + "async def g():\n    f()\n    await f()\n    x = f()\n",
        [6],
    ),
    (control_flow.AWAITS, "a.py", "@wraps\n" + ASYNC + "def g():\n    f()\n", []),
    (control_flow.AWAITS, "a.py", ASYNC + "def g(f):\n    f()\n", []),
    (
        control_flow.AWAITS,
        "a.py",
        (
            "class A:\n    async def f(self):\n        pass\n\n"
            "    async def g(self):\n        self.f()\n"
        ),
        [6],
    ),
    (control_flow.AWAITS, "a.py", "async def f():\n    yield 1\n\n\ndef g():\n    f()\n", []),
    (
        control_flow.LOCKS,
        "a.py",
        "async def f(self):\n    with self._lock:\n        await g()\n",
        [2],
    ),
    (
        control_flow.LOCKS,
        "a.py",
        "async def f(self):\n    async with self._lock:\n        await g()\n",
        [],
    ),
    (
        control_flow.LOCKS,
        "a.py",
        "async def f(lock):\n    with lock:\n        async def g():\n            await h()\n",
        [],
    ),
    (size.FUNCTIONS, "a.py", "def f():\n" + "    x()\n" * 150, [1]),
    (size.FUNCTIONS, "a.py", "def f():\n" + "    x()\n" * 149, []),
    (size.MODULES, "a.go", "x\n" * 2001, [1]),
    (size.MODULES, "a.go", "x\n" * 2000, []),
    (size.MODULES, "a.py", "def f(): pass\n" * 2001, [1]),
    (size.MODULES, "a.py", "x = 1\n" * 2001, []),
    (size.PURPOSE, "a.py", "def f(): pass\n" * 400, [1]),
    (size.PURPOSE, "a.py", "x = 1\n" * 400, []),
    (size.PURPOSE, "a.py", '"""Says why."""\n' + "def f(): pass\n" * 400, []),
    (size.PURPOSE, "a.py", "# Says why.\n" + "def f(): pass\n" * 400, []),
]


@pytest.mark.parametrize(
    ("check", "name", "content", "lines"),
    FOUND,
    ids=[f"{check.name}-{number}" for number, (check, _, _, _) in enumerate(FOUND)],
)
def test_a_check_speaks_where_it_should(
    tmp_path: Path, check: Check, name: str, content: str | bytes, lines: list[int]
) -> None:
    """A planted defect is found on its line, its harmless neighbour is not."""
    assert [line for _, line in hits(check, tmp_path, {name: content})] == lines


TESTS: list[tuple[str, list[str]]] = [
    ("from m import f\n\n\ndef test_a():\n    f()\n", ["test-without-assertion"]),
    ("def test_a():\n    pass\n", ["empty-test"]),
    ('def test_a():\n    """Says a lot."""\n', ["empty-test"]),
    ("class TestA:\n    def test_a(self):\n        ...\n", ["empty-test"]),
    ("class TestA(Base):\n    def test_a(self):\n        pass\n", []),
    ('def test_a():\n    """\n    >>> 1\n    1\n    """\n', []),
    ("from m import f\n\n\ndef test_a():\n    assert f()\n", []),
    (
        "from m import f\n\n\ndef test_a():\n    with pytest.raises(E):\n        f()\n",
        [],
    ),
    ("from m import f\n\n\ndef look(x):\n    assert x\n\n\ndef test_a():\n    look(f())\n", []),
    (
        "from m import f\n\n\ndef look(x):\n    f(x)\n\n\ndef test_a():\n    look(f())\n",
        ["test-without-assertion"],
    ),
    ("from .near import expectation\n\n\ndef test_a():\n    expectation()\n", []),
    ("from waiting import wait\n\n\ndef test_a():\n    wait()\n", []),
    ("def test_a(client):\n    client.get('/')\n", []),
    (
        (
            "from m import f\n\n\nclass TestA(TestCase):\n    def test_a(self):\n"
            "        eq = self.assertEqual\n        eq(f(), 1)\n"
        ),
        [],
    ),
    ("from m import f\n\n\nclass TestA:\n    def test_a(self):\n        self.inherited(f())\n", []),
    ("from m import f\n\n\n@image_comparison\ndef test_a():\n    f()\n", []),
    (
        "from m import f\n\n\n@pytest.mark.slow\ndef test_a():\n    f()\n",
        ["test-without-assertion"],
    ),
]


@pytest.mark.parametrize(("content", "expected"), TESTS)
def test_idle_tests_are_told_from_those_that_may_assert(
    tmp_path: Path, content: str, expected: list[str]
) -> None:
    """Whatever calls into something unknown is given the benefit of the doubt."""
    files = {"tests/test_a.py": content, "tests/waiting.py": ""}

    assert [rule for rule, _ in hits(assertions.IDLE, tmp_path, files)] == expected


@pytest.mark.parametrize("content", ["def f(:\n    return 1\n    g()\n", "x = " + "(" * 9000])
def test_what_has_no_tree_is_left_to_ruff(tmp_path: Path, content: str) -> None:
    """Broken, newer or too deep for this Python: no check stumbles, and none speaks."""
    names = ("DEAD", "HANDLERS", "AWAITS", "LOCKS")
    checks = [getattr(control_flow, name) for name in names]
    checks += [size.FUNCTIONS, size.PURPOSE, assertions.IDLE]

    for check in checks:
        assert hits(check, tmp_path, {"test_a.py": content}) == []
