"""The three tools: list, read, grep. There is none that writes, runs or reaches out (P8)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.tools import Tool

from flowrunner.dispatch.apiagent.project import READ_LINES, DeclinedError, Project
from flowrunner.dispatch.apiagent.searching import Searcher


class Looking:
    """The tools of one project. Their docstrings are what the model is told."""

    def __init__(self, root: Path) -> None:
        self._project = Project(root)
        self._searcher = Searcher(self._project)

    def tools(self) -> list[Tool[None]]:
        return [Tool(self.list_files, name="list"), Tool(self.read, name="read"), Tool(self.grep)]

    async def list_files(self, path: str = ".", glob: str = "") -> str:
        """List the project's files, one to a line, without what git ignores.

        Args:
            path: A folder or file, relative to the project's root.
            glob: Only files whose path or name it fits, such as "*.py" or "src/**/*.sql".
        """
        try:
            return await asyncio.to_thread(self._project.list, path, glob)
        except DeclinedError as exc:
            raise ToolFailed(str(exc)) from None

    async def read(self, path: str, start_line: int = 1, line_count: int = READ_LINES) -> str:
        """Read a text file of the project. Each line begins with its number.

        Args:
            path: The file, relative to the project's root.
            start_line: The first line wanted.
            line_count: How many lines are wanted, at most 1000.
        """
        try:
            return await asyncio.to_thread(self._project.read, path, start_line, line_count)
        except DeclinedError as exc:
            raise ToolFailed(str(exc)) from None

    async def grep(
        self,
        pattern: str,
        path: str = ".",
        glob: str = "",
        ignore_case: bool = False,  # noqa: FBT001, FBT002  # what a model is offered
    ) -> str:
        """Search the project's files, line by line. A hit is shown as path:line: text.

        Args:
            pattern: A regular expression of Python.
            path: A folder or file to search, relative to the project's root.
            glob: Only files whose path or name it fits, such as "*.py".
            ignore_case: Whether upper and lower case are the same.
        """
        try:
            return await self._searcher.grep(pattern, path, glob, ignore_case=ignore_case)
        except DeclinedError as exc:
            raise ToolFailed(str(exc)) from None
