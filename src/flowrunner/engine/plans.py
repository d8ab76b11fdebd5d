"""A decision that is about to be committed, and the questions that it was made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.core.decision import Decision, Verdict
from flowrunner.core.model import Ref
from flowrunner.engine.letters import Asked, Letter
from flowrunner.engine.views import RunView


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision with the view it leads to, the payloads it needs, and the answers it took in.

    *begun* was asked about that view, or one on the way to it: it counts once this is committed.
    """

    decision: Decision
    view: RunView
    bodies: Mapping[Ref, bytes]
    taken: Collection[Asked]
    begun: Collection[Asked]

    def may_be_behind(self, batch: Sequence[Letter]) -> bool:
        """Whether somebody is about to be told that nothing is to be done by a view that is old.

        A commit would have shown it: it compares versions. Not even an end is final: another
        replica may have begun the run anew, or resumed what is thought to be paused here.
        """
        verdicts = zip(batch, self.decision.verdicts, strict=False)
        return any(letter.verdict and told is not Verdict.ACCEPTED for letter, told in verdicts)
