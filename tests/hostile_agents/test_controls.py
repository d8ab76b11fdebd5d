"""What is planted does work: where nothing is hidden, programs run it. Else the others show nothing."""

from __future__ import annotations

import pytest

from dispatch.gates import stage
from hostile_agents.cells import played


@pytest.mark.parametrize(
    ("agent", "runs"),
    [
        ("codex", "codex-mcp"),
        ("opencode", "opencode-plugin"),
        ("copilot", "copilot-hook"),
    ],
)
def test_what_is_not_hidden_runs(agent: str, runs: str) -> None:
    """P8: behind the very same gate, which keeps all of it from writing."""
    with played(agent, "acp", "namespaces+landlock", stage.NORMAL, shows=True) as cell:
        assert runs in cell.ran
        assert [place for place in cell.before if cell.changed(place)] == []
