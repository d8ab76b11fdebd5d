"""Write levels of flows for tests; files are code, so most of them are text here."""

from collections.abc import Mapping
from pathlib import Path

from flowrunner.definitions.library import Library

HEAD = "from flowrunner import Approval, Citations, Each, Flow, Produces, Repeat, Report, Retry, Step\n"
PERSONA = "# Newcomer\n\nAsks why.\n"


def a_flow(name: str = "demo", steps: str = "", rest: str = "") -> str:
    """Return a flow file: HEAD is line 1, `flow = Flow(` line 2, the first step line 3."""
    body = "".join(f"    {line}\n" for line in steps.strip().splitlines())
    return f'{HEAD}flow = Flow("{name}", steps=[\n{body}], render=lambda ctx: Report(""), {rest})\n'


def a_level(folder: Path, files: Mapping[str, str], personas: Mapping[str, str] = {}) -> Path:
    """Write *files* below folder/flows and *personas* beside it; return the level."""
    level = folder / "flows"
    level.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        (level / path).parent.mkdir(parents=True, exist_ok=True)
        (level / path).write_text(text, encoding="utf-8")
    for name, text in personas.items():
        (folder / "personas").mkdir(exist_ok=True)
        (folder / "personas" / f"{name}.md").write_text(text, encoding="utf-8")
    return level


def problems_of(folder: Path, text: str) -> list[str]:
    """Return the problems of one flow file as users see them, places relative to *folder*."""
    level = a_level(folder, {"x.py": text}, {"newcomer": PERSONA})
    found = Library.discover([level]).problems
    return [str(problem).replace(f"{folder.resolve()}/", "") for problem in found]


def decorated(steps: str) -> str:
    """Return a flow file of functions: the first line of *steps* is line 7, and a report follows."""
    lines = (
        "from typing import Annotated",
        "from pydantic import BaseModel",
        "from flowrunner import Each, Flow, From, Repeat, Report, StepResult",
        "class In(BaseModel): repo: str = '.'",
        "class Finding(BaseModel): title: str = ''",
        "flow = Flow('review-change', input=In)",
        steps,
    )
    report = "" if "@flow.report" in steps else "@flow.report\ndef _report(): return ''\n"
    return "\n".join(lines) + "\n" + report
