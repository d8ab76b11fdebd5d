"""Hostile projects and a hostile model, with the real programs: those that start quickly."""

from __future__ import annotations

import pytest

from hostile_agents.checks import check, each_cell

AGENTS = [("codex", "acp"), ("claude", "acp"), ("claude", "headless"), ("gemini", "acp")]


@each_cell
@pytest.mark.parametrize(("agent", "dialect"), AGENTS)
def test_it_neither_writes_nor_tells(agent: str, dialect: str, gate: str, user: str) -> None:
    """P8, D3-12, F54, F55, F56: 0 bytes, 0 metadata, 0 keys, 0 of what the project planted runs."""
    check(agent, dialect, gate, user)
