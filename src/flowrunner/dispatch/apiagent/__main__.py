"""`... flowrunner.dispatch.apiagent SETTINGS`: see the package; started by its adapter only."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from flowrunner.dispatch.apiagent.failing import SettingsError
from flowrunner.dispatch.apiagent.options import Settings
from flowrunner.dispatch.apiagent.serving import Serving
from flowrunner.dispatch.apiagent.settings import key_from_environment, read_settings


def main() -> NoReturn:
    """Serve until stdin ends. What any library prints goes to stderr, beside the protocol."""
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(line: bytes) -> None:
        stdout.write(line)
        stdout.flush()

    serving = Serving(_settings(Path(sys.argv[1])), key_from_environment(), send)
    asyncio.run(_serve(serving))
    raise SystemExit


async def _serve(serving: Serving) -> NoReturn:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await serving.run(reader)
    os._exit(0)  # A thread that still reads, or a server that will not end, is not waited for.


def _settings(file: Path) -> Settings | SettingsError:
    try:
        return read_settings(file)
    except OSError as exc:
        return SettingsError(f"the settings cannot be read: {exc}")
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        told = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in found]
        return SettingsError("the settings are wrong: " + "; ".join(told))


if __name__ == "__main__":
    main()
