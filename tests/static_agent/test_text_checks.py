"""Checks of text, settings, pipelines and SQL speak where they should, silent next to it."""

from pathlib import Path

import pytest

from flowrunner.dispatch.static.checks import deployment, sql, syntax, text
from flowrunner.dispatch.static.sources import Check
from static_agent.running import hits

MERGE = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n"
RUN = "on: pull_request_target\njobs:\n  a:\n    steps:\n"
TITLE = "${{ github.event.issue.title }}"
HEAD = "${{ github.event.pull_request.head.sha }}"
FLOW = ".github/workflows/ci.yml"
DEEP = "[" * 100_000


FOUND: list[tuple[Check, str, str | bytes, list[int]]] = [
    (text.CONFLICTS, "a.py", "x = 1\n" + MERGE, [2]),
    (text.CONFLICTS, "a.rst", "Title\n=======\n\ntext\n=======\n", []),
    (text.CONFLICTS, "a.py", "  <<<<<<< HEAD\n  =======\n  >>>>>>> b\n", []),
    (text.CONFLICTS, "a.md", f"# Merging\n\n```\n{MERGE}```\n", []),
    (text.CONFLICTS, "a.md", MERGE, [1]),
    (text.DECEIVING, "a.py", "x = 'a\u202eb'\n", [1]),
    (text.DECEIVING, "a.py", "x = 'שלום'\n", []),
    (text.DECEIVING, "src/i18n/he.js", "x = 'a\u202eb'\n", []),
    (text.DECEIVING, "a.md", "a\u202eb\n", []),
    (text.BYTES, "a.py", b"x = 1\n# caf\xe9\n# \xe9\n", [2]),
    (text.BYTES, "a.py", b"# -*- coding: latin-1 -*-\n# caf\xe9\n", []),
    (text.BYTES, "a.py", "# caf\ufffd\n", []),
    (syntax.JSON, "a.json", '{"a": 1,\n "b": }\n', [2]),
    (syntax.JSON, "a.json", '{// c\n "a": "//x", /* c */ "b": [1,],}\n', []),
    (syntax.JSON, "a.json", '{"a": 1}\n{"a": 2}\n', []),
    (syntax.JSON, "a.json", '{"a": {{ value }}}\n', []),
    (syntax.JSON, "tests/broken.json", "{", []),
    (syntax.JSON, "a.json", DEEP, []),
    (syntax.JSON, "a.json", "\n", []),
    (syntax.TOML, "a.toml", "a = 1\nb = \n", [2]),
    (syntax.TOML, "a.toml", "a = 1\n", []),
    (syntax.TOML, "a.toml", 'a = "', [1]),
    (deployment.INJECTIONS, FLOW, f"{RUN}      - run: echo {TITLE}\n", [5]),
    (
        deployment.INJECTIONS,
        FLOW,
        f"{RUN}      - run: |\n          a\n          echo {TITLE}\n      - x\n",
        [7],
    ),
    (
        deployment.INJECTIONS,
        FLOW,
        f"{RUN}      - env:\n          T: {TITLE}\n        run: echo $T\n",
        [],
    ),
    (
        deployment.INJECTIONS,
        FLOW,
        f"{RUN}      - run: |\n          a\n        env:\n          T: {TITLE}\n",
        [],
    ),
    (deployment.INJECTIONS, "other.yml", f"run: echo {TITLE}\n", []),
    (deployment.FOREIGN, FLOW, f"{RUN}      - with:\n          ref: {HEAD}\n", [6]),
    (deployment.FOREIGN, FLOW, f"on: pull_request\n          ref: {HEAD}\n", []),
    (deployment.BRANCHES, FLOW, "  - uses: a/b@main\n  - uses: a/b@v1\n  - uses: ./local\n", [1]),
    (
        deployment.DOWNLOADS,
        "Dockerfile",
        "RUN curl -sSL https://x | sh\nRUN curl -o f https://x\n",
        [1],
    ),
    (
        deployment.DOWNLOADS,
        "a.sh",
        "# curl x | sh\necho 'curl x | sh'\nwget -O- x | sudo bash\n",
        [3],
    ),
    (deployment.DOWNLOADS, "README.md", "curl https://x | sh\n", []),
    (
        deployment.IMAGES,
        "Dockerfile",
        "FROM python AS base\nFROM base\nFROM x:latest\nFROM r:5/y:1\n",
        [1, 3],
    ),
    (deployment.IMAGES, "Dockerfile", "ARG V\nFROM x:$V\nFROM scratch\nFROM x@sha256:1\n", []),
    (deployment.PRIVILEGES, "docker-compose.yml", "a:\n  privileged: true\n", [2]),
    (deployment.PRIVILEGES, "docker-compose.yml", "a:\n  privileged: false\n", []),
    (
        sql.CHANGES,
        "a.sql",
        "-- x;\nDELETE FROM a;\nUPDATE b SET c = ';';\nDELETE FROM a WHERE x;\n",
        [2, 3],
    ),
    (
        sql.CHANGES,
        "a.sql",
        "CREATE FUNCTION f() AS $$ DELETE FROM a; $$;\nDELETE FROM a USING b;\n",
        [],
    ),
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
