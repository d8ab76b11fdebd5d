"""Answers in other forms than findings: what is asked for, nothing made up, unknown ones refused."""

import json
from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidInputError
from flowrunner.dispatch.static.forms import answer_in
from flowrunner.dispatch.static.lenses import LENSES
from flowrunner.dispatch.static.prompt import read_wish
from static_agent.running import NONCE, ask, rules, start
from unit.evidence.projects import a_project


def wish(files: list[str], answer: str, *claims: str) -> str:
    told = {"files": files, "answer": answer, "claims": list(claims)}
    return f"Do it.\n<<scope {NONCE}>>\n{json.dumps(told)}\n<<end {NONCE}>>\n"


def test_a_prompt_without_a_form_wants_findings() -> None:
    """The plain scope block means what it always meant."""
    plain = f'<<scope {NONCE}>>\n{{"files": ["a.py"]}}\n<<end {NONCE}>>\n'

    assert (read_wish(plain).answer, read_wish(plain).files) == ("findings", ("a.py",))
    assert read_wish("Look.").files is None


def test_rulings_say_that_nobody_has_looked(tmp_path: Path) -> None:
    """P9: one ruling per claim, all undecided, and no model was asked."""
    answer = answer_in(read_wish(wish([], "rulings", "a1", "b2")), tmp_path)

    assert answer["model_asked"] is False
    rulings = answer["rulings"]
    assert isinstance(rulings, list)
    told = [(r["finding"], r["verdict"]) for r in rulings if isinstance(r, dict)]
    assert told == [("a1", "unverified"), ("b2", "unverified")]


def test_statements_are_what_a_program_reads_off_a_page(tmp_path: Path) -> None:
    """True and false ones alike, each with its line quoted; pages that are none are not read."""
    root = a_project(tmp_path, {"README.md": "# Hi\n\nSee [a](none.md).\n", "a.py": ""})

    answer = answer_in(read_wish(wish(["README.md", "a.py"], "statements")), root)

    assert answer["pages_read"] == ["README.md"]
    (said,) = answer["statements"] if isinstance(answer["statements"], list) else []
    assert isinstance(said, dict)
    assert (said["quote"], said["line_start"]) == ("See [a](none.md).", 3)


@pytest.mark.parametrize(("form", "name"), [("risks", "risks"), ("picture", "components")])
def test_judgements_are_not_made_up(tmp_path: Path, form: str, name: str) -> None:
    """Where judgement is asked for, the answer is empty and says why."""
    answer = answer_in(read_wish(wish([], form)), tmp_path)

    assert answer[name] == []
    assert answer["model_asked"] is False
    assert "No model was asked" in str(answer["summary"])


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    """Better no answer than one that is not what was asked for."""
    with pytest.raises(InvalidInputError):
        answer_in(read_wish(wish([], "poem")), tmp_path)

    assert start(a_project(tmp_path, {"a.py": ""}), wish(["a.py"], "poem")).returncode == 2


def test_the_process_answers_in_the_form(tmp_path: Path) -> None:
    """As a dispatcher starts it: one JSON object on one line."""
    done = start(a_project(tmp_path, {"README.md": "# Hi\n"}), wish(["README.md"], "statements"))

    assert done.returncode == 0
    assert json.loads(done.stdout)["pages_read"] == ["README.md"]


PAGE = """\
[a](#none) and `shop.gone()` and `SHOP_NONE` and `shop/none.py`

```sh
shop sell --none
```

```python
from shop import none
```

```json
{"a" 1}
```
"""
SHOP = {
    "pyproject.toml": '[project.scripts]\nshop = "shop.cli:main"\n',
    "shop/__init__.py": "", "shop/cli.py": "SELL = 'sell'\nenv_prefix = 'SHOP_'\n",
    "README.md": PAGE,
}  # fmt: skip


def test_the_auditor_holds_pages_against_the_project(tmp_path: Path) -> None:
    """Every kind of statement that code can judge is judged through this lens."""
    root = a_project(tmp_path, SHOP)

    assert set(rules(ask(root, "documentation-auditor"))) == {
        "broken-anchor", "unknown-name", "unknown-variable", "stale-path", "unknown-option",
        "missing-module-in-example", "code-does-not-parse",
    }  # fmt: skip


@pytest.mark.parametrize(
    "persona", ["structural-analyst", "software-architect", "system-architect"]
)
def test_architects_see_how_files_hang_together(tmp_path: Path, persona: str) -> None:
    """The whole project is looked at, and a fault is told where it has its place."""
    files = {"shop/__init__.py": "", "shop/a.py": "import shop.b\n", "shop/b.py": "import shop.a\n"}
    root = a_project(tmp_path, files)

    (claim,) = ask(root, persona).findings
    assert (claim.rule, claim.file, claim.line_start) == ("import-cycle", "shop/a.py", 1)
    assert "shop/a.py:1 imports shop/b.py" in claim.claim
    assert ask(root, persona, "shop/b.py").findings == ()


def test_every_lens_that_flows_need_is_there() -> None:
    """A persona without a lens would be looked through with general checks only."""
    assert {"documentation-auditor", "codebase-explorer", "risk-analyst"} <= LENSES.keys()
