"""A run as a tree of plain nodes, and the rules of what may begin, answered from statuses alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowrunner.core.graph import Graph, OnFail, StepKind, StepSpec, Trigger


@dataclass(eq=False)
class Node:
    """A step, or a child of one; *below* are its children of now."""

    spec: StepSpec
    key: str
    up: Node | None = None
    status: str = "pending"
    tries: int = 0
    failures: int = 0
    crashes: int = 0
    delayed: bool = False
    prompted: bool = False
    took_along: bool = False
    has_turn: bool = True
    redos: int = 0
    needed: int = 0
    took_list: bool = False
    below: list[Node] = field(default_factory=list["Node"])
    calls: dict[str, Node] = field(default_factory=dict[str, "Node"])

    @property
    def is_live(self) -> bool:
        return self.status in {"pending", "running", "blocked"}

    @property
    def is_code(self) -> bool:
        return self.spec.kind is StepKind.CODE

    @property
    def is_parent(self) -> bool:
        return self.up is None and self.spec.has_children

    def all(self) -> list[Node]:
        return [self, *(node for child in self.children for node in child.all())]

    @property
    def children(self) -> list[Node]:
        return [*self.below, *self.calls.values()]


class Standing:
    """How a run stands, and what may be asked of it; nothing here changes anything."""

    def __init__(self, graph: Graph, excluded: tuple[int, ...]) -> None:
        self.graph = graph
        self.nodes = [Node(spec, spec.key) for spec in graph.steps]
        for n in excluded:
            self.nodes[n].status = "excluded"
        self.run, self.failing = "running", False
        self.generation: int = 1

    # What is asked of it.

    def everything(self) -> list[Node]:
        return [node for root in self.nodes for node in root.all()]

    def find(self, key: str) -> Node:
        return next(node for node in self.everything() if node.key == key)

    def live(self) -> list[Node]:
        return [node for node in self.everything() if node.is_live]

    def questions(self) -> set[str]:
        if self.run != "running":
            return set()
        asked = {f"prepare {n.key}" for n in self.everything() if self.is_ready(n)}
        for node in self.nodes:
            if node.is_parent and node.status == "blocked" and not self.going(node):
                asked.add(f"gather {node.key}" if node.spec.each else f"judge {node.key}")
        return asked | (set() if self.live() else {"render"})

    def tolerated(self) -> int:
        failed = [node for node in self.everything() if node.status == "failed"]
        return sum(n.up is not None or n.spec.on_fail is not OnFail.FAIL for n in failed)

    # R2-19, R2-20, R2-17, F12: how a need ended, and whether a step may begin.

    def how(self, need: Node) -> set[str]:
        match need.status:
            case "completed":
                return {"done"}
            case "skipped":
                return {"cut" if need.took_along else "ok"}
            case "failed" if need.spec.on_fail is not OnFail.FAIL:
                return {"bad", "cut"} if need.spec.on_fail is OnFail.CASCADE else {"bad"}
            case "excluded":
                ends = self.ends(need)
                return ends & {"waiting"} or {"cut" if self.gate(need) == "cut" else "ok"}
            case _:
                return {"waiting"}

    def ends(self, node: Node) -> set[str]:
        return {word for need in node.spec.needs for word in self.how(self.nodes[need])}

    def gate(self, node: Node) -> str:
        """Return open, shut, or why never: lost, or cut."""
        if node.up is not None:
            return "open" if node.has_turn else "shut"
        ends = self.ends(node)
        never = "cut" if "cut" in ends else "lost"
        waits = "waiting" in ends
        match node.spec.trigger:
            case Trigger.ANY:
                if "done" in ends or not ends & {"waiting", "bad", "cut"}:
                    return "open"
                return "shut" if waits else never
            case Trigger.ALL_DONE:
                return "shut" if waits else "open"
            case Trigger.ALL:
                is_lost = "cut" in ends
            case Trigger.NONE_FAILED:
                is_lost = "cut" in ends or ("bad" in ends and not waits)
        return never if is_lost else "shut" if waits else "open"

    def is_ready(self, node: Node) -> bool:
        return node.status == "pending" and not node.delayed and self.gate(node) == "open"

    def going(self, parent: Node) -> list[Node]:
        return [child for child in parent.children if child.is_live]

    def at_work(self, node: Node) -> bool:
        is_waiting = node.is_parent and node.status == "blocked"
        return node.status == "running" or (is_waiting and any(map(self.at_work, node.children)))

    def speaks(self, node: Node) -> bool:
        """Whether user code has to say something before the step begins."""
        if node.prompted or node.failures + node.crashes:
            return False
        has_when = node.spec.has_when and node.up is None
        is_each = node.up is None and node.spec.each is not None
        is_loop = node.up is None and node.spec.repeat is not None
        return has_when or is_each or (not node.is_code and not is_loop)

    # F40: what needs what.

    def following(self, first: set[int]) -> list[Node]:
        """The given roots and all that need them, through excluded ones too."""
        while (
            more := {
                id(node)
                for node in self.nodes
                if {id(self.nodes[need]) for need in node.spec.needs} & first
            }
            - first
        ):
            first = first | more
        return [node for node in self.nodes if id(node) in first]

    def needing(self, needs: list[Node]) -> list[Node]:
        found = [n for n in self.nodes if any(self.nodes[m] in needs for m in n.spec.needs)]
        return self.following({id(node) for node in found})
