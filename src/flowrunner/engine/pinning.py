"""Which text of a flow a run uses, when its files have changed since it began (DESIGN 10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias

import structlog

from flowrunner.core.errors import InvalidFlowError, NotFoundError
from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure
from flowrunner.db.runs import RunMeta
from flowrunner.definitions.library import Definition, Library
from flowrunner.definitions.pinned import is_pinned, rebuild
from flowrunner.engine import threads

log = structlog.stdlib.get_logger()

DriftPolicy: TypeAlias = Literal["pinned", "latest", "pause"]
"""`pinned`: the text the run began with. `latest`: today's, where the graph is still the same, else
as `pinned`. `pause`: neither. What cannot be had pauses the run as `definition_changed`."""
ReadStored: TypeAlias = Callable[[int], Awaitable[Mapping[str, Any] | None]]

_LOAD_SECONDS = 30.0
CHANGED = "definition_changed"


class Pinning:
    """Finds the definition of each run; what was once made from stored text is kept.

    What could not be had is looked for again: what was missing may have been put back.
    """

    def __init__(self, library: Library, read: ReadStored, policy: DriftPolicy) -> None:
        self._library = library
        self._read = read
        self._policy: DriftPolicy = policy
        self._known: dict[str, Definition] = {}

    async def ensure(self, meta: RunMeta, graph: Graph) -> None:
        """Settle which definition a run uses, before anything asks for it. May be repeated.

        Raises only while the database is away.
        """
        live = self._live(meta.flow)
        if isinstance(live, Definition) and live.hash == meta.definition_hash:
            return
        if meta.definition_hash in self._known:
            return
        found = await self._settle(meta, graph, live)
        log.info(
            "definition.drifted",
            flow=meta.flow,
            policy=self._policy,
            usable=isinstance(found, Definition),
        )
        if isinstance(found, Definition):
            self._known[meta.definition_hash] = found

    def definition(self, meta: RunMeta) -> Definition | Failure:
        """The flow this run uses, or why it has none (R2-14)."""
        live = self._live(meta.flow)
        if isinstance(live, Definition) and live.hash == meta.definition_hash:
            return live
        known = self._known.get(meta.definition_hash)
        return known if known is not None else _changed(meta, live)

    async def _settle(
        self, meta: RunMeta, graph: Graph, live: Definition | str
    ) -> Definition | Failure:
        stored = await self._read(meta.definition_id)
        if isinstance(live, Definition):
            # Nothing changed but the release, which tells more of the same graph.
            if stored is not None and is_pinned(live, stored, meta.definition_hash):
                return live
            if self._policy == "latest" and live.graph_json == graph.to_json():
                return live
        if stored is None or self._policy == "pause":
            return _changed(meta, live)
        try:
            found = await threads.call(
                f"pinned text of {meta.flow}",
                lambda: rebuild(stored, meta.definition_hash),
                _LOAD_SECONDS,
            )
        except Exception as error:  # noqa: BLE001  # an author's module may raise anything
            log.warning("definition.not_rebuilt", flow=meta.flow, error=repr(error))
            found = None
        return found if found is not None else _changed(meta, live)

    def _live(self, flow: str) -> Definition | str:
        """Today's definition, or why there is none."""
        try:
            return self._library.get(flow)
        except NotFoundError:
            return f"there is no flow '{flow}' any more"
        except InvalidFlowError as error:
            return f"{error}: {error.problems[0]}"


def _changed(meta: RunMeta, live: Definition | str) -> Failure:
    why = live if isinstance(live, str) else f"flow '{meta.flow}' changed since this run began"
    advice = "put its files back and resume the run, or cancel it and launch the flow again"
    return Failure(CHANGED, f"{why}; {advice}")
