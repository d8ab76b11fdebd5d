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
    """A decision with the view it leads to, the payloads it needs, and the answers it took in."""

    decision: Decision
    view: RunView
    bodies: Mapping[Ref, bytes]
    taken: Collection[Asked]

    def may_be_behind(self, batch: Sequence[Letter]) -> bool:
        """Whether somebody is about to be told "late" by a view that nothing has proved current.

        A commit would have: it compares versions. An end is final, however old the view is.
        """
        verdicts = zip(batch, self.decision.verdicts, strict=False)
        is_late = any(letter.verdict and verdict is Verdict.LATE for letter, verdict in verdicts)
        return is_late and not self.view.state.status.is_terminal
