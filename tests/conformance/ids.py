"""Which test proves which rule: read from docstrings, without importing a test."""

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "conformance.md"
IDS = Path(__file__).with_name("ids")
PAGES = (
    "promises",
    "features",
    "flow_runner",
    "flows",
    "workflow_scripts",
    "supervisor",
    "executor",
)
STAGES = ("spine", "steps", "agents", "later")
REACHED = "agents"
"""The stage whose rules are owed now: one without a test is untested, one due later waits."""

_ID = r"(?:[RD][1-4]-\d+|CC-\d+|[VBSAF]-\d+|[IPF]\d{1,2})"
_MENTION = re.compile(rf"(?<!\w)({_ID})(?:(?:\.\.|-|\u2013)({_ID}|\d+))?(?!\w)")
_CLAIMING_DECORATORS = frozenset({"rule", "invariant", "initialize"})

Proofs: TypeAlias = Mapping[str, tuple["Proof", ...]]


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A test that names a rule; *path* is relative to the root, with forward slashes."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    title: str
    due: str


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    rules: tuple[Rule, ...]


def load_pages(folder: Path = IDS) -> tuple[Page, ...]:
    """Read the pages in reading order; each file keeps the order of its ids."""
    return tuple(_load_page(folder / f"{name}.toml") for name in PAGES)


def collect(tests: Path = ROOT / "tests", root: Path = ROOT) -> dict[str, tuple[Proof, ...]]:
    """Return, for each id named by a test below *tests*, the tests that name it, sorted."""
    found: dict[str, set[Proof]] = {}
    for file in sorted(tests.rglob("*.py")):
        path = file.relative_to(root).as_posix()
        for name, docstring in docstrings(file.read_text(encoding="utf-8")):
            for mentioned in mentions(docstring):
                found.setdefault(mentioned, set()).add(Proof(path, name))
    return {key: tuple(sorted(proofs)) for key, proofs in found.items()}


def docstrings(source: str) -> Iterator[tuple[str, str]]:
    """Yield (name, docstring) of each test, and of each step of a Hypothesis machine."""
    yield from _docstrings_in(ast.parse(source), ())


def mentions(text: str) -> Iterator[str]:
    """Yield the ids in *text*; `R2-01..R2-03` and `R2-01..03` name all three."""
    for first, last in _MENTION.findall(text.replace("`", "")):
        yield from _span(first, last) if last else (first,)


def unknown(proofs: Proofs, pages: Iterable[Page]) -> list[str]:
    """Return one line per id that tests name and no page lists."""
    known = {rule.id for page in pages for rule in page.rules}
    return [
        f"{proof.path}::{proof.name} names {key}, which no page lists"
        for key in sorted(set(proofs) - known)
        for proof in proofs[key]
    ]


def render(pages: Iterable[Page], proofs: Proofs) -> str:
    """Return docs/conformance.md: the same text for the same pages and proofs."""
    pages = tuple(pages)
    rules = [rule for page in pages for rule in page.rules]
    lines = [
        "# Conformance",
        "",
        "What must be true, and the tests that say so. Written by `make conformance`; do not edit.",
        "",
        f"{_counts(rules, proofs)}.",
    ]
    for page in pages:
        lines += ["", f"## {page.title}", "", f"{_counts(page.rules, proofs)}.", ""]
        lines += ["| id | what | tests |", "| --- | --- | --- |"]
        lines += [f"| {rule.id} | {rule.title} | {_verdict(rule, proofs)} |" for rule in page.rules]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite docs/conformance.md with --write; without it, fail if the page is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    pages, proofs = load_pages(), collect()
    if problems := unknown(proofs, pages):
        sys.stderr.write("\n".join(problems) + "\n")
        return 1
    text = render(pages, proofs)
    if write:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write("docs/conformance.md is out of date: run make conformance\n")
        return 1
    return 0


def _load_page(file: Path) -> Page:
    page = tomllib.loads(file.read_text(encoding="utf-8"))
    rules = (Rule(key, entry["title"], entry["due"]) for key, entry in page["ids"].items())
    return Page(page["title"], tuple(rules))


def _docstrings_in(node: ast.AST, outer: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            name = (*outer, child.name)
            if child.name.startswith("Test"):
                yield "::".join(name), ast.get_docstring(child) or ""
            yield from _docstrings_in(child, name)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and _claims(child):
            yield "::".join((*outer, child.name)), ast.get_docstring(child) or ""


def _claims(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = (d.func if isinstance(d, ast.Call) else d for d in function.decorator_list)
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    return function.name.startswith("test_") or bool(names & _CLAIMING_DECORATORS)


def _span(first: str, last: str) -> Iterator[str]:
    prefix, start = _split(first)
    end_prefix, end = _split(last)
    if end_prefix not in {"", prefix} or int(end) < int(start):
        yield f"{first}..{last}"
        return
    for number in range(int(start), int(end) + 1):
        yield f"{prefix}{number:0{len(start)}d}"


def _split(key: str) -> tuple[str, str]:
    prefix = key.rstrip("0123456789")
    return prefix, key.removeprefix(prefix)


def _counts(rules: Iterable[Rule], proofs: Proofs) -> str:
    states = [_state(rule, proofs) for rule in rules]
    tested, untested = states.count("tested"), states.count("untested")
    waiting = len(states) - tested - untested
    return f"{len(states)} rules: {tested} tested, {untested} untested, {waiting} waiting"


def _verdict(rule: Rule, proofs: Proofs) -> str:
    state = _state(rule, proofs)
    if state != "tested":
        return f"**{state}**"
    return "<br>".join(f"[{p.path}::{p.name}](../{p.path})" for p in proofs[rule.id])


def _state(rule: Rule, proofs: Proofs) -> str:
    if proofs.get(rule.id):
        return "tested"
    if STAGES.index(rule.due) > STAGES.index(REACHED):
        return f"waiting ({rule.due})"
    return "untested"


if __name__ == "__main__":
    sys.exit(main())
