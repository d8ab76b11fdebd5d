"""Clocks that step: processes that are told another time of day, while their steady clock goes on."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path("vendor") / "libfaketime" / "src"


def library() -> Path | None:
    """What is loaded into a process so that its clock can be set; None where there is none."""
    spec = importlib.util.find_spec("libfaketime")
    places = [] if spec is None else spec.submodule_search_locations or []
    found = [Path(place) / _SOURCES / "libfaketime.so.1" for place in places]
    return next((each for each in found if each.exists()), None)


def why_no_clocks() -> str | None:
    """Why no clock can step here; None when it can."""
    if library() is None:
        return "libfaketime is not installed"
    fits = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    return None if fits else "libfaketime's wheel is for Linux on x86_64"


@dataclass(frozen=True, slots=True)
class WallClock:
    """The time of day of whoever lives in `environment`; *file* says how far off it is."""

    file: Path

    def environment(self) -> dict[str, str]:
        """For a process; it looks into the file whenever it reads the clock."""
        self.step(0)
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # Else the steady clock would step as well, which no real one does.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    def step(self, seconds: float) -> None:
        """Be off by that from now on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+.0f}\n")
        fresh.rename(self.file)
