"""langgraph: steps inside one process; its PostgreSQL checkpointer saves each super-step, sync."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from shared import CHAIN, asked, say, timed


class State(TypedDict):
    done: Annotated[int, operator.add]


async def step(_state: State) -> dict[str, int]:
    return {"done": 1}


def chain() -> StateGraph[Any]:
    graph = StateGraph(State)
    names = [f"s{n}" for n in range(CHAIN)]
    for before, name in zip([START, *names], names, strict=False):
        graph.add_node(name, step)
        graph.add_edge(before, name)
    graph.add_edge(names[-1], END)
    return graph


def fan(width: int) -> StateGraph[Any]:
    graph = StateGraph(State)
    for name in ("a", "s", "z"):
        graph.add_node(name, step)
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", lambda state: [Send("s", state)] * (width - 2), ["s"])
    graph.add_edge("s", "z")
    graph.add_edge("z", END)
    return graph


async def main() -> None:
    address, count, width = asked()
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(address, min_size=4, max_size=20, kwargs=options) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        room = asyncio.Semaphore(100)

        async def run(graph: Any, name: str) -> None:
            config = {"configurable": {"thread_id": name}, "recursion_limit": 1000}
            async with room:
                await graph.ainvoke({"done": 0}, config, durability="sync")

        made = {name: graph.compile(checkpointer=saver) for name, graph in (
            ("chain", chain()), ("fan", fan(width)), ("five", fan(5)),
        )}  # fmt: skip
        await run(made["chain"], "warm")
        hop = await timed(run(made["chain"], "c"))
        wide = await timed(run(made["fan"], "f"))
        runs = await timed(asyncio.gather(*(run(made["five"], f"m{n}") for n in range(count))))
        say(hop, wide, runs)


uvloop.run(main())
