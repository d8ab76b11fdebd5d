"""What a migration's SQL may do to a database that is being worked on; answers with complaints.

A statement that blocks, rewrites or takes away is refused, unless a comment line above it begins
with `-- safe: ` and says why it is. Tables that the same revision makes hold nothing yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = r"(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<table>\w+)"
_CREATES = re.compile(rf"CREATE (?:UNLOGGED )?TABLE {_NAME}", re.IGNORECASE)
_DOLLARS = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*")
_SAFE = "-- safe: "
# Each is asked again for every row that is there: the table is written anew.
_VOLATILE = r"(?:clock_timestamp|random|gen_random_uuid|nextval|timeofday|statement_timestamp)\s*\("


@dataclass(frozen=True, slots=True)
class Rule:
    """*pattern* finds what *name* refuses; a table that is named in it must not be a new one."""

    name: str
    pattern: str


RULES = (
    Rule("index blocks writers", rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\w+ ON {_NAME}"),
    Rule("drop index blocks", r"DROP INDEX (?!CONCURRENTLY)"),
    Rule(
        "check scans", rf"ALTER TABLE {_NAME}.*?ADD CONSTRAINT \w+ (?:CHECK|FOREIGN)(?!.*NOT VALID)"
    ),
    Rule(
        "unique builds an index",
        rf"ALTER TABLE {_NAME}.*?ADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY)",
    ),
    Rule("column check scans", rf"ALTER TABLE {_NAME}.*?ADD COLUMN [^,]*\bCHECK\b"),
    Rule(
        "volatile default rewrites", rf"ALTER TABLE {_NAME}.*?ADD COLUMN [^,]*DEFAULT {_VOLATILE}"
    ),
    Rule(
        "column without default", rf"ALTER TABLE {_NAME}.*?ADD COLUMN (?![^,]*DEFAULT)[^,]*NOT NULL"
    ),
    Rule("type rewrites", rf"ALTER TABLE {_NAME}.*?ALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE"),
    Rule("not null scans", rf"ALTER TABLE {_NAME}.*?ALTER (?:COLUMN )?\w+ SET NOT NULL"),
    Rule("takes a column away", rf"ALTER TABLE {_NAME}.*?DROP COLUMN"),
    Rule("renames", r"ALTER (?:TABLE|FUNCTION|INDEX) .*?RENAME"),
    Rule("takes a table away", r"DROP TABLE"),
    Rule("takes a function away", r"DROP FUNCTION"),
    Rule("takes a view or type away", r"DROP (?:VIEW|TYPE|SEQUENCE|TRIGGER)"),
    Rule("moves every row", r"(?:UPDATE|DELETE FROM|INSERT INTO) \w+"),
    Rule("rewrites a table", r"VACUUM FULL|CLUSTER|REINDEX (?!.*CONCURRENTLY)"),
    Rule(
        "waits longer than others can",
        r"SET (?:LOCAL )?lock_timeout (?:=|TO) (?!'(?:2s|1?\d{1,3}ms)')",
    ),
)


def complaints(sql: str) -> list[str]:
    """Say what in *sql*, one revision's text, would hurt those who work on the database."""
    new = {match["table"] for match in _CREATES.finditer(_bare(sql))}
    return [
        f"{rule.name}: {' '.join(statement.split())[:80]}"
        for statement, is_safe in statements(sql)
        for rule in RULES
        if not is_safe and _breaks(rule, statement, new)
    ]


def _breaks(rule: Rule, statement: str, new: set[str]) -> bool:
    found = re.match(rule.pattern, statement, re.IGNORECASE | re.DOTALL)
    return found is not None and found.groupdict().get("table") not in new


def statements(sql: str) -> Iterator[tuple[str, bool]]:
    """Yield each statement without comments, and whether a comment says why it is safe."""
    for chunk in _bare(sql, keep_comments=True).split(";"):
        lines = [line.strip() for line in chunk.splitlines()]
        is_safe = any(line.startswith(_SAFE) for line in lines)
        text = "\n".join(line.partition("--")[0] for line in lines if line).strip()
        if text:
            yield re.sub(r"\s+", " ", text), is_safe


def _bare(sql: str, *, keep_comments: bool = False) -> str:
    """Without bodies of functions, in which other rules hold, and without semicolons in comments."""
    text = _DOLLARS.sub("$$", sql)
    return _COMMENT.sub(_without_semicolons if keep_comments else "", text)


def _without_semicolons(comment: re.Match[str]) -> str:
    return comment[0].replace(";", ",")


_FUNCTION = re.compile(
    r"CREATE (?P<again>OR REPLACE )?FUNCTION (?P<name>\w+)\((?P<given>.*?)\)\s*RETURNS\s+"
    r"(?P<answer>TABLE \(.*?\)|\S+(?: \S+)??)\s+(?=LANGUAGE)",
    re.DOTALL,
)


def functions(sql: str) -> dict[str, tuple[str, str]]:
    """The signatures in a file of functions: parameters without defaults, and what they answer."""
    return {
        match["name"]: (_plain(match["given"]), _plain(match["answer"]))
        for match in _FUNCTION.finditer(_bare(sql))
    }


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def lost(before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]) -> list[str]:
    """Functions that programs of *before* call and would not find, or find changed, in *after*.

    New parameters come last and have defaults; the answer stays as it was.
    """
    return [name for name, old in before.items() if not _is_kept(old, after.get(name))]


def _is_kept(old: tuple[str, str], new: tuple[str, str] | None) -> bool:
    if new is None or new[1] != old[1] or not new[0].startswith(old[0]):
        return False
    further = new[0][len(old[0]) :]
    return all("DEFAULT" in each for each in further.split(",")[1:])
