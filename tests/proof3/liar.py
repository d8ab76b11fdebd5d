"""A reviewer that invents every fifth citation, and a verifier that invents evidence.

As a program it reads a prompt on stdin, looks into the folder that it stands in, and answers; the
number it is given decides everything. Of the product it knows nothing but the prompt.
"""

from __future__ import annotations

import json
import random
import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof3.inventions import INVENTED
from proof3.source import Source
from proof3.truths import TRUE, Cited

CLAIMS, LIES = 10, 2
HIDING = 0.5
_SCOPE = re.compile(r"^<<scope (\w+)>>\n(.*?)\n<<end \1>>$", re.MULTILINE | re.DOTALL)
_LENS = re.compile(r"^# Your task\n\n(.*?)\n\n", re.DOTALL | re.MULTILINE)
_SEVERITIES = ("critical", "major", "major", "minor", "minor", "minor", "note")
_CATEGORIES = ("correctness", "security", "tests", "structure", "data")


@dataclass(frozen=True, slots=True)
class Said:
    """One claim; *kind* says how it cites, *rule* may be that of another one."""

    kind: str
    cited: Cited
    claim: Mapping[str, Any]

    @property
    def is_invented(self) -> bool:
        return self.kind in INVENTED


def review(seed: int, who: str, source: Source) -> tuple[Said, ...]:
    """Return what the reviewer *who* claims: CLAIMS of which exactly LIES are invented."""
    rng = random.Random(f"{seed} {who}")  # noqa: S311  # no secret is made of it
    kinds = [*_next(TRUE, rng, CLAIMS - LIES), *_next(INVENTED, rng, LIES)]
    rng.shuffle(kinds)
    said: list[Said] = []
    for number, kind in enumerate(kinds):
        cited = {**TRUE, **INVENTED}[kind](rng, source)
        claim = _claim(rng, f"claim {who} {number}", cited)
        if kind in INVENTED and said and not said[-1].is_invented and rng.random() < HIDING:
            # The same kind of defect at the same place as a true one: it must not hide behind it.
            claim |= {name: said[-1].claim[name] for name in ("rule", "category", "severity")}
        said.append(Said(kind, cited, claim))
    return tuple(said)


def ruling(seed: int, finding: str, source: Source) -> tuple[str, dict[str, Any]]:
    """Return what the report must say of *finding*, and what the verifier says to bring it about."""
    rng = random.Random(f"{seed} {finding}")  # noqa: S311  # no secret is made of it
    verdict = rng.choice(["refuted", "partially_refuted", "confirmed", "unverified"])
    evidence = rng.choice(["true", "invented", "none"])
    said: dict[str, Any] = {"finding": finding, "verdict": verdict, "reason": "So it is."}
    if evidence != "none":
        kinds = TRUE if evidence == "true" else INVENTED
        said["counter"] = _place(kinds[rng.choice(sorted(kinds))](rng, source))
    is_blank = evidence == "invented" and not said["counter"]["quote"].strip()
    counts = evidence == "true" or (verdict == "confirmed" and (evidence == "none" or is_blank))
    return verdict if counts else "unverified", said


def answer(seed: int, prompt: str, root: Path) -> dict[str, Any]:
    """Return what the agent answers to *prompt* in the project at *root*."""
    asked = _asked(prompt)
    if asked.get("answer") == "rulings":
        source = programs_in(root)
        rulings = [ruling(seed, name, source)[1] for name in asked["claims"]]
        return {"rulings": rulings, "summary": "Looked into each."}
    said = review(seed, who_is_asked(prompt), source_of(prompt, root))
    findings = [each.claim for each in said]
    return {"findings": findings, "reviewed_files": asked["files"], "summary": "Read it all."}


def who_is_asked(prompt: str) -> str:
    """Return a name for the reviewer, of what it is told to look for and of its files."""
    found = _LENS.search(prompt)
    assert found is not None
    return f"{zlib.crc32((found[1] + str(_asked(prompt)['files'])).encode()):08x}"


def source_of(prompt: str, root: Path) -> Source:
    return Source(root, _asked(prompt)["files"])


def programs_in(root: Path) -> Source:
    """Return where a verifier finds its evidence; links are not followed."""
    found = sorted(place for place in root.rglob("*.py") if ".git" not in place.parts)
    return Source(root, [place.relative_to(root).as_posix() for place in found[:100]])


def _asked(prompt: str) -> dict[str, Any]:
    found = _SCOPE.search(prompt)
    assert found is not None
    return json.loads(found[2])


def _next(kinds: Mapping[str, object], rng: random.Random, count: int) -> Sequence[str]:
    """Return *count* names, as different as can be."""
    names = sorted(kinds)
    return [*rng.sample(names, min(count, len(names)))]


def _claim(rng: random.Random, title: str, cited: Cited) -> dict[str, Any]:
    rule = f"rule-{rng.randint(1, 10**9)}"
    severity, category = rng.choice(_SEVERITIES), rng.choice(_CATEGORIES)
    told = {"rule": rule, "category": category, "severity": severity, "title": title}
    return {**told, "claim": "It will break.", "confidence": 0.7, **_place(cited)}


def _place(cited: Cited) -> dict[str, Any]:
    last = {} if cited.last is None else {"line_end": cited.last}
    return {"file": cited.file, "line_start": cited.first, **last, "quote": cited.quote}


def main() -> None:
    told = answer(int(sys.argv[1]), sys.stdin.read(), Path.cwd())
    sys.stdout.write(f"I have looked.\n\n```json\n{json.dumps(told)}\n```\n")


if __name__ == "__main__":
    main()
