"""The table of rules: every code is ruff's own and stable, and the ones that matter bite."""

import json
import subprocess
from pathlib import Path

import pytest

from flowrunner.dispatch.static.lenses import LENSES
from flowrunner.dispatch.static.linter import find_ruff_bin
from flowrunner.dispatch.static.rules import behaviour, correctness, security, shape
from flowrunner.wire.findings import Severity
from static_agent.running import ask, rules
from unit.evidence.projects import a_project

TABLES = (
    security.RULES,
    correctness.RULES,
    *(behaviour.CONCURRENCY, behaviour.RESILIENCE, behaviour.STORAGE, behaviour.LOGGING),
    *(shape.TESTING, shape.SHAPE, shape.READING, shape.RELEASE),
)
RULES = [rule for table in TABLES for rule in table]


def test_every_code_is_a_stable_rule_of_ruff() -> None:
    """A preview or removed rule would change, or end, the answer with the next ruff."""
    told = subprocess.run(
        [find_ruff_bin(), "rule", "--all", "--output-format", "json"],
        capture_output=True,
        check=True,
    )
    stable = {each["code"] for each in json.loads(told.stdout) if "Stable" in each["status"]}

    assert {rule.code for rule in RULES} - stable == {"syntax-error"}


def test_every_rule_stands_once_and_says_why() -> None:
    """One code, one severity, one category: or two lenses would not fold into one finding."""
    codes = [rule.code for rule in RULES]

    assert len(codes) == len(set(codes))
    assert [rule.code for rule in RULES if len(rule.why) < 15 or rule.why[-1] not in ".?"] == []
    assert [rule.code for rule in RULES if rule.severity is Severity.CRITICAL] == []


def test_every_rule_is_seen_through_some_lens() -> None:
    """A rule that nobody looks for is decoration."""
    seen = {rule.code for lens in LENSES.values() for rule in lens.rules}

    assert {rule.code for rule in RULES} <= seen


BITES = [
    ("security-adversary", "S602", "import subprocess\nsubprocess.run(cmd, shell=True)\n"),
    ("security-adversary", "S605", "import os\nos.system(cmd)\n"),
    ("security-adversary", "S506", "import yaml\nyaml.load(text, Loader=yaml.Loader)\n"),
    ("security-adversary", "S501", "import requests\nrequests.get(url, verify=False)\n"),
    ("security-adversary", "S608", "q = f'SELECT * FROM users WHERE name = {name}'\n"),
    ("data-engineer", "S608", "q = 'DELETE FROM users WHERE name = ' + name\n"),
    ("data-engineer", "DTZ003", "import datetime\nd = datetime.datetime.utcnow()\n"),
    ("behavioural-analyst", "B006", "def f(x=[]):\n    return x\n"),
    ("behavioural-analyst", "F821", "print(undefined)\n"),
    ("behavioural-analyst", "F632", "x = 1\nprint(x is 'a')\n"),
    ("behavioural-analyst", "F811", "def f():\n    pass\n\n\ndef f():\n    pass\n"),
    ("behavioural-analyst", "PLW0133", "ValueError('forgotten raise')\n"),
    ("behavioural-analyst", "F601", "d = {'a': 1, 'a': 2}\n"),
    ("edge-case-explorer", "E722", "try:\n    f()\nexcept:\n    pass\n"),
    ("edge-case-explorer", "B904", "try:\n    f()\nexcept KeyError:\n    raise ValueError\n"),
    ("edge-case-explorer", "S110", "try:\n    f()\nexcept Exception:\n    pass\n"),
    (
        "concurrency-analyst",
        "RUF006",
        "import asyncio\n\n\nasync def f():\n    asyncio.create_task(g())\n",
    ),
    ("concurrency-analyst", "ASYNC251", "import time\n\n\nasync def f():\n    time.sleep(1)\n"),
    ("on-call-engineer", "LOG015", "import logging\nlogging.error('x')\n"),
    ("on-call-engineer", "PLE1205", "import logging\nlogging.getLogger('a').error('x', 1)\n"),
    ("structural-analyst", "PLW0603", "x = 1\n\n\ndef f():\n    global x\n    x = 2\n"),
    (
        "structural-analyst",
        "C901",
        "def f(x):\n" + "".join(f"    if x == {n}:\n        g()\n" for n in range(22)),
    ),
    ("newcomer", "ERA001", "# x = compute(1)\ny = 2\n"),
    ("newcomer", "ERA001", "# if x:\n#     y = compute(1)\n# else:\n#     y = 2\nz = 2\n"),
    ("newcomer", "F401", "import os\n"),
    ("behavioural-analyst", "B018", "x = 1\n[x]\n"),
    ("behavioural-analyst", "B018", "def f(file):\n    file.close\n"),
    ("behavioural-analyst", "SIM115", "def f(p):\n    file = open(p)\n    return file.read()\n"),
    ("newcomer", "FIX001", "# FIXME: wrong\n"),
    ("operations-engineer", "EXE005", "x = 1\n#!/usr/bin/python\n"),
    ("anybody", "syntax-error", "def f(:\n"),
    ("risk-analyst", "F821", "print(undefined)\n"),
]


@pytest.mark.parametrize(
    ("persona", "code", "text"), BITES, ids=[f"{n}-{p}-{c}" for n, (p, c, _) in enumerate(BITES)]
)
def test_a_planted_defect_is_found(tmp_path: Path, persona: str, code: str, text: str) -> None:
    """The lens that should see it does, at its place."""
    assert code in rules(ask(a_project(tmp_path, {"a.py": text}), persona))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("PGH005", "def test_a(mock):\n    mock.assert_called\n"),
        ("PT010", "import pytest\n\n\ndef test_a():\n    with pytest.raises():\n        f()\n"),
        ("F631", "def test_a():\n    assert (x == 1, 'why')\n"),
        ("test-without-assertion", "from m import f\n\n\ndef test_a():\n    f()\n"),
    ],
)
def test_a_planted_defect_in_a_test_is_found(tmp_path: Path, code: str, text: str) -> None:
    """The test engineer reads tests."""
    assert code in rules(ask(a_project(tmp_path, {"tests/test_a.py": text}), "test-engineer"))


@pytest.mark.parametrize(
    ("persona", "text"),
    [
        ("security-adversary", "import subprocess\nsubprocess.run('ls', shell=True)\n"),
        ("security-adversary", "import os\nos.system('ls')\n"),
        ("security-adversary", "import os\nos.chmod('a', 0o755)\n"),
        ("security-adversary", "assert True\nPASSWORD_FIELD = 'password'\n"),
        ("security-adversary", "t = f'Select the {thing} and the rest from {place}'\n"),
        ("security-adversary", "import os\nos.system(cmd)  # noqa: S605\n"),
        ("newcomer", "# The lists (a, b) are sorted\n# prefix/lib/site-packages\nx = 1\n"),
        ("newcomer", "I = O = 1\n"),
        ("newcomer", "# Original implementation:\n#\n#     flash(category, message)\n#\nx = 1\n"),
        ("newcomer", "# So, eg...\n# >>> client = Client(1)\nx = 1\n"),
        ("newcomer", "# rargs is a subset of\n# rargs = [arg(1), arg(2)]\nx = 1\n"),
        ("newcomer", "# isinstance(x, int)\nx = 1\n"),
        ("behavioural-analyst", "def f(r):\n    r.content  # consume it\n"),
        (
            "behavioural-analyst",
            "def f(p):\n    n = open(p)\n    try:\n        n.read()\n    finally:\n        n.close()\n",
        ),
        ("behavioural-analyst", "class A:\n    def f(self, p):\n        self.file = open(p)\n"),
        ("behavioural-analyst", "import sys\nimport sys\n\nsys.exit()\n"),
        ("behavioural-analyst", "ip = get_ipython()\n"),
        ("behavioural-analyst", "match x:\n    case 1:\n        print(x)\n" * 0 + "x = 1\n"),
    ],
)
def test_what_is_no_defect_is_not_told(tmp_path: Path, persona: str, text: str) -> None:
    """The harmless twin of each planted defect, prose that looks like code, and a noqa."""
    assert rules(ask(a_project(tmp_path, {"a.py": text}), persona)) == []


def test_a_package_may_import_what_it_offers(tmp_path: Path) -> None:
    """What an __init__.py imports is there for others to import."""
    files = {"app/__init__.py": "from .a import x\nfrom .a import *\n", "app/a.py": "x = 1\n"}
    root = a_project(tmp_path, files)

    assert rules(ask(root, "newcomer")) == rules(ask(root, "structural-analyst")) == []


@pytest.mark.parametrize(
    ("taken", "expected"),
    [("from .compat import json", ["F401"]), ("from app.compat import *", []), ("", ["F401"] * 2)],
    ids=["one", "all", "none"],
)
def test_an_import_for_another_module_is_used(
    tmp_path: Path, taken: str, expected: list[str]
) -> None:
    """A module of names for others to take them from is no heap of forgotten imports."""
    files = {
        "app/__init__.py": "",
        "app/compat.py": "import json\nfrom os import path as p\n",
        "app/use.py": f"{taken}\nx = json\n",
    }

    assert rules(ask(a_project(tmp_path, files), "newcomer")) == expected


def test_newer_grammar_is_no_error(tmp_path: Path) -> None:
    """A project may use a Python that is newer than the one this agent runs on."""
    text = "type Pair[T] = tuple[T, T]\n\n\ndef f[T](x: T) -> T:\n    return x\n"

    assert rules(ask(a_project(tmp_path, {"a.py": text}), "behavioural-analyst")) == []


def test_a_broken_file_gives_one_finding(tmp_path: Path) -> None:
    """The first syntax error is true, the forty that follow are its echo."""
    text = "def f(:\n" * 20

    assert rules(ask(a_project(tmp_path, {"a.py": text}), "behavioural-analyst")) == [
        "syntax-error"
    ]


def test_security_rules_leave_tests_alone(tmp_path: Path) -> None:
    """A test may well call a shell; what every reader skips is not told."""
    text = "import os\nos.system(cmd)\n"

    assert rules(ask(a_project(tmp_path, {"tests/test_a.py": text}), "security-adversary")) == []


@pytest.mark.parametrize(
    "body",
    [
        "    with pytest.raises(ValueError):\n        a == b\n",
        "    with pytest.raises(ValueError) as caught:\n        if x:\n            ValueError(1)\n",
        "    with self.assertRaises(TypeError): a < b\n",
    ],
)
def test_a_value_made_to_raise_is_no_mistake(tmp_path: Path, body: str) -> None:
    """Inside `raises` the expression is there for its error."""
    text = f"import pytest\n\n\ndef test_a(self, a, b, x):\n{body}"

    assert rules(ask(a_project(tmp_path, {"tests/test_a.py": text}), "behavioural-analyst")) == []
    assert "B015" in rules(
        ask(
            a_project(tmp_path / "q", {"tests/test_a.py": "def test_a(a, b):\n    a == b\n"}),
            "behavioural-analyst",
        )
    )
