"""Break the product in one place at a time; a named test must notice: `make mutants`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixtures.cluster import embedded_server
from mutants.copies import Copy, MisfitError, Mutant, a_copy
from mutants.guards import GUARDS
from mutants.seeded import SEEDED

_WIDTH = 110


def main() -> int:
    """Return 1 if a mutant survives, or is none of this product any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    given = parser.parse_args()
    chosen = [mutant for mutant in (*SEEDED, *GUARDS) if given.only in mutant.name]
    with tempfile.TemporaryDirectory(prefix="flowrunner-mutants-") as folder:
        copy = a_copy(Path(folder))
        with embedded_server() as server:
            copy.server = server.address("admin", "postgres")
            return _hunt(copy, chosen)


def _hunt(copy: Copy, chosen: Sequence[Mutant]) -> int:
    """First the product as it is: what fails there anyway notices nothing."""
    tests = sorted({mutant.test for mutant in chosen})
    whole = copy.play(*tests)
    _say(
        f"unbroken: {'FAILS' if whole.said else 'passes'} {len(tests)} tests in {whole.seconds:.0f} s"
    )
    if whole.said:
        _say(whole.said)
        return 1
    _say("| mutant | place | noticed by | what it says | s |\n| --- | --- | --- | --- | --- |")
    bad = [line for line in _lines(copy, chosen) if line]
    _say(f"{len(chosen) - len(bad)} of {len(chosen)} mutants were noticed")
    for line in bad:
        _say(line)
    return 1 if bad else 0


def _lines(copy: Copy, chosen: Sequence[Mutant]) -> Iterator[str]:
    """What is wrong with each mutant; empty when it was noticed."""
    for mutant in chosen:
        try:
            with copy.with_(mutant) as places:
                played = copy.play(mutant.test)
        except MisfitError as error:
            yield f"MISFIT: {mutant.name}: {error}"
            continue
        said = " ".join(played.said.split())[:_WIDTH].replace("|", "\\|")
        if played.failed:
            _say(f"| {mutant.name} | {places[0]} | {mutant.test} | {said} | {played.seconds:.1f} |")
        else:
            _say(f"| {mutant.name} | {places[0]} | NOBODY | {said} | {played.seconds:.1f} |")
        yield "" if played.failed else f"SURVIVED: {mutant.name}: {mutant.test}: {played.said}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
