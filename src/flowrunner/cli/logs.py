"""`logs RUN`: what agents said while they worked, also while they do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.shell import Shell, paper, takes_shell
from flowrunner.cli.streams import Stream
from flowrunner.cli.text import clean_text
from flowrunner.client import Client
from flowrunner.wire.runs import ENDED, Attempt, StepRow

_LOOK_SECONDS = 1.0
_PROMPT_LINES = 20
_BAD = frozenset({"failed", "lost"})
_KINDS = ("text", "stderr", "system")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which transcripts are wanted, and how much of each."""

    step: str | None
    failed: bool
    tail: int | None
    kinds: frozenset[str]


@click.command("logs")
@click.argument("run", default="@last")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on until the run has ended.")
@click.option("--step", metavar="KEY", help="Only this step: every attempt of it.")
@click.option("--failed", is_flag=True, help="Only failed attempts: prompt's end, words, error.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="The last N lines of each.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only this kind.")
@takes_shell
def command(
    shell: Shell,
    *,
    run: str,
    is_followed: bool,
    step: str | None,
    failed: bool,
    tail: int | None,
    kinds: tuple[str, ...],
) -> None:
    """Print what the agents of RUN said, each line after the step that said it.

    With --json an object per line: step, attempt, seq, kind, text.
    """
    wish = Wish(step, failed, tail, frozenset(kinds or _KINDS))
    with connected(shell, Own.READING) as connection:
        found = connection.client.get_run(run)
        printer = _Printer(shell, connection.client, str(found.id), wish)
        printer.print_all()
        while is_followed and connection.client.get_run(str(found.id)).status not in ENDED:
            time.sleep(_LOOK_SECONDS)
            printer.print_all()
        if is_followed:
            printer.print_all()
    if not printer.count:
        shell.tell("no attempt failed" if failed else "nothing was said")


class _Printer:
    """Prints what is new since it last looked."""

    def __init__(self, shell: Shell, client: Client, run: str, wish: Wish) -> None:
        self._shell, self._client, self._run, self._wish = shell, client, run, wish
        self._streams: dict[tuple[str, int], Stream] = {}
        self._canvas = paper(shell)
        self.count = 0

    def print_all(self) -> None:
        for step, attempt in self._places():
            stream = self._streams.get((step, attempt.attempt))
            if stream is None:
                stream = Stream(self._client, self._run, step, attempt.attempt, self._wish.kinds)
                self._streams[step, attempt.attempt] = stream
                if self._wish.failed:
                    self._introduce(step, attempt)
            self._print(stream)
            if self._wish.failed and attempt.error and not stream.is_told:
                stream.is_told = True
                self._say(stream, f"error: {attempt.error.code}: {attempt.error.message}")

    def _places(self) -> Iterator[tuple[str, Attempt]]:
        """The attempts that are wanted; without any wish the latest of every step that has one."""
        if self._wish.step is not None:
            for each in self._client.list_attempts(self._run, self._wish.step).items:
                if not self._wish.failed or each.status in _BAD:
                    yield self._wish.step, each
            return
        for step in self._steps():
            tries = step.attempts or ()
            chosen = [each for each in tries if each.status in _BAD]
            for each in chosen if self._wish.failed else tries[-1:]:
                yield step.key, each

    def _steps(self) -> Iterator[StepRow]:
        cursor: str | None = None
        while True:
            page = self._client.list_steps(self._run, attempt="all", cursor=cursor)
            yield from (step for step in page.items if step.attempt)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _introduce(self, step: str, attempt: Attempt) -> None:
        """What the agent was given, its end: that is where what is wrong usually stands."""
        if self._shell.as_json or not attempt.has_prompt:
            return
        prompt = self._client.get_attempt(self._run, step, attempt.attempt).prompt or ""
        lines = clean_text(prompt).splitlines()
        self.count += 1
        self._shell.say(self._canvas.bold(f"{step}#{attempt.attempt}: the prompt's end"))
        for line in lines[-_PROMPT_LINES:]:
            self._shell.say(f"  > {line}")

    def _print(self, stream: Stream) -> None:
        if self._shell.as_json:
            for chunk in stream.chunks():
                self.count += 1
                told = {"step": stream.step, "attempt": stream.attempt}
                self._shell.say(json.dumps({**told, **chunk.model_dump()}, ensure_ascii=False))
            return
        for line in stream.lines(self._wish.tail):
            self._say(stream, line)

    def _say(self, stream: Stream, text: str) -> None:
        self.count += 1
        if self._shell.as_json:
            return
        place = "" if self._wish.step else f"{stream.step}#{stream.attempt} | "
        self._shell.say(f"{place}{clean_text(text)}")
