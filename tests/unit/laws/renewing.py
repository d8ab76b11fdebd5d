"""What begins anew in a tree of plain nodes, and what it remembers (F40)."""

from __future__ import annotations

from flowrunner.core.graph import OnFail, StepKind
from unit.laws.standing import Node, Standing


class Renewing(Standing):
    def let_go(self, parent: Node | None) -> None:
        """F13: a place that is free goes to the next member of the list."""
        if parent is None or parent.spec.each is None or parent.status != "blocked":
            return
        waiting = [child for child in parent.below if child.is_live and not child.has_turn]
        places = parent.spec.each.parallel - len(self.going(parent)) + len(waiting)
        for child in waiting[: max(0, places)]:
            child.has_turn = True

    def retry(self, start: Node | None) -> None:
        def is_bad(node: Node) -> bool:
            ended_ill = node.status in {"failed", "cancelled"}
            return ended_ill or any(is_bad(c) for c in node.children if c.status != "cancelled")

        def is_stuck(node: Node) -> bool:
            is_fatal = node.status == "failed" and node.spec.on_fail is OnFail.FAIL
            return is_fatal or node.status == "cancelled"

        roots = {id(n) for n in self.nodes if is_stuck(n) or (start is None and is_bad(n))}
        line = [] if start is None else [start]
        while line and line[0].up is not None:
            line.insert(0, line[0].up)
        lists = [n for n in self.nodes if n.took_list and (id(n) in roots or n in line[:-1])]
        whole = roots - {id(n) for n in lists} | {id(n) for n in line[:1] if n not in lists}
        if line[:1] == line[-1:]:
            whole |= {id(n) for n in line}
        below = {id(n) for n in self.needing(lists)}
        steps = [n for n in self.following(whole | below) if n.status != "excluded"]
        lists = [n for n in lists if n not in steps]
        members = [c for n in lists for c in n.below if is_bad(c) or c in line]
        self.run, self.failing = "running", False
        self.anew(steps, members, lists, "" if start is None else start.key)

    def anew(self, steps: list[Node], members: list[Node], lists: list[Node], named: str) -> None:
        stale = self.needing([*steps, *lists])
        for node in [*steps, *members]:
            is_fresh = node in stale or node.key == named or node.is_parent
            done = [name for name, call in node.calls.items() if call.status == "completed"]
            kept = [name for name in done if not is_fresh and node.calls[name].key != named]
            node.calls = {name: node.calls[name] for name in kept}
            node.status, node.failures, node.crashes = "pending", 0, 0
            node.redos = node.redos if node.spec.kind is StepKind.APPROVAL else 0
            node.delayed = node.prompted = node.took_along = node.took_list = False
            node.below, node.needed, node.has_turn = [], 0, node.up is None
        for parent in lists:
            parent.status = "blocked"
            self.let_go(parent)
        self.generation += 1
