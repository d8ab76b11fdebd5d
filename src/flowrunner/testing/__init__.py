"""Test a flow without a database, an agent or waiting: the same core, scripted answers, no clock.

from flowrunner.testing import Fails, approve, rehearse

def test_a_dead_reviewer_is_named():
told = rehearse(flow, {"path": "."}, agents={"security": Fails("it died"), "*": "fine"})
assert told.outcome != "clean"
"""

from flowrunner.testing.rehearsal import rehearse
from flowrunner.testing.scripts import Approve, Fails, Reject, Takes, approve, reject
from flowrunner.testing.told import StepTold, Told, UnscriptedError

__all__ = [
    "Approve",
    "Fails",
    "Reject",
    "StepTold",
    "Takes",
    "Told",
    "UnscriptedError",
    "approve",
    "rehearse",
    "reject",
]
