"""Which program an agent's name stands for: the operator says so, a task never does (P8)."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.dispatch.apiagent.options import Options
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.dispatch.static import agent_argv
from flowrunner.wire.tasks import TaskError

OUTPUT_CAP = 1024 * 1024
READ_ONLY = "plan"
_DATABASE = re.compile(r"FLOWRUNNER_.*|PG[A-Z]+")
_PRIVATE = frozenset({"HOME", "TMPDIR"})
_ADDRESSES = ("postgres://", "postgresql://")


class StaticAgent(BaseModel):
    """The one that asks no model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["static"]
    output_cap: int = Field(default=OUTPUT_CAP, gt=0)


class CommandAgent(BaseModel):
    """A program that reads the prompt on stdin, writes its answer on stdout, and changes nothing.

    Without a slash its name is looked up on PATH; *env* is added to PATH, LANG and TZ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["command"]
    argv: tuple[Annotated[str, Field(pattern=r"^[^\x00]*$")], ...] = Field(min_length=1)
    env: dict[str, Annotated[str, Field(pattern=r"^[^\x00]*$")]] = {}
    output_cap: int = Field(default=OUTPUT_CAP, gt=0)


class ModelAgent(BaseModel):
    """A coding agent that asks a model; *kind* names its adapter (docs/agents.md).

    *model* is what a launch gets that names none. *provider* is whose quota it uses up: agents of
    one provider wait together (default: the agent's own name). Of the key's three places at most
    one is given; a file is read for each task, so that a key may be replaced while we run.
    *options* are the adapter's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["qwen", "gemini", "codex", "claude", "opencode", "copilot", "api"]
    model: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")] | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    api_key_env: Annotated[str, Field(min_length=1)] | None = None
    api_key_file: Path | None = None
    dialect: Literal["acp", "headless"] = "acp"
    provider: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    options: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    output_cap: int = Field(default=OUTPUT_CAP, gt=0)

    @property
    def has_key(self) -> bool:
        """Whether the operator said where a key is."""
        return any((self.api_key, self.api_key_env, self.api_key_file))

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            TypeAdapter(HttpUrl).validate_python(value)
        return value

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        given = [self.api_key, self.api_key_env, self.api_key_file]
        if sum(place is not None for place in given) > 1:
            msg = "give one of api_key, api_key_env and api_key_file"
            raise ValueError(msg)
        return self


Agent: TypeAlias = StaticAgent | CommandAgent | ModelAgent
AgentSettings: TypeAlias = Annotated[Agent, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Agent] = TypeAdapter(AgentSettings)
DEFAULT_AGENTS: Mapping[str, Agent] = {"static": StaticAgent(kind="static")}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that agents get to know of our environment."""

    path: str
    lang: str
    tz: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Surroundings:
        """Pick from *environment*. Relative folders leave PATH: they lie in the project."""
        folders = environment.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())
        return cls(path, environment.get("LANG", "C.UTF-8"), environment.get("TZ"))

    def env(self) -> dict[str, str]:
        zone = {} if self.tz is None else {"TZ": self.tz}
        return {"PATH": self.path, "LANG": self.lang, **zone}


def parse_agents(raw: Mapping[str, object]) -> dict[str, Agent]:
    """Read the operator's table. Raise InvalidInputError with every problem at once."""
    agents: dict[str, Agent] = {}
    problems: list[Problem] = []
    for name, given in raw.items():
        try:
            agents[name] = _ADAPTER.validate_python(given)
        except ValidationError as exc:
            problems += _told(name, exc)
        else:
            problems += _unfit(name, agents[name])
    if problems:
        raise InvalidInputError("the agents' settings cannot be accepted", problems)
    return agents


def agent_for(task: Task, agents: Mapping[str, Agent]) -> Agent | TaskError:
    """Return the agent that *task* names, or why nothing will be started for it."""
    return _refusal(task, agents) or agents[task.agent]


def command_for(
    task: Task, agent: StaticAgent | CommandAgent, around: Surroundings
) -> AgentCommand | TaskError:
    """Return what to start for *task*, or why nothing will be started."""
    configured = agent.env if isinstance(agent, CommandAgent) else {}
    argv = _argv(agent, around)
    if isinstance(argv, TaskError):
        return argv
    return AgentCommand(
        argv=argv,
        env={**around.env(), **configured, **about(task)},
        cwd=Path(task.project_root),
        stdin=task.input or b"",
        output_cap=agent.output_cap,
    )


def _refusal(task: Task, agents: Mapping[str, object]) -> TaskError | None:
    if task.kind != "agent":
        message = f"task {task.task_id} is of kind {task.kind!r}; dispatchers run agents only"
        return TaskError(code="not_an_agent_task", message=message)
    if task.mode_id != READ_ONLY:
        message = f"mode {task.mode_id!r} is not {READ_ONLY!r}: nothing here may write"
        return TaskError(code="mode_not_allowed", message=message)
    if not Path(task.project_root).is_absolute():
        message = f"the project's root {task.project_root!r} is not absolute"
        return TaskError(code="project_not_absolute", message=message)
    if task.agent not in agents:
        near = difflib.get_close_matches(task.agent, agents, 1)
        known = ", ".join(sorted(agents)) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"this dispatcher knows: {known}"
        message = f"this dispatcher has no agent named {task.agent!r}"
        return TaskError(code="unknown_agent", message=message, hint=hint)
    return None


def program_of(agent: CommandAgent, around: Surroundings) -> str | TaskError:
    """Return the absolute path of the agent's program, or why there is none."""
    program, path = agent.argv[0], agent.env.get("PATH", around.path)
    found = shutil.which(program, path=path)
    if found is None:
        where = "no program" if Path(program).is_absolute() else f"not on PATH ({path})"
        message = f"the program {program!r} is {where}"
        hint = "install it, or give its absolute path in the agent's argv"
        return TaskError(code="agent_not_found", message=message, hint=hint)
    return found


def _argv(agent: StaticAgent | CommandAgent, around: Surroundings) -> tuple[str, ...] | TaskError:
    if isinstance(agent, StaticAgent):
        return agent_argv()
    found = program_of(agent, around)
    return found if isinstance(found, TaskError) else (found, *agent.argv[1:])


def about(task: Task) -> dict[str, str]:
    """What an agent may want to know of its task. The id is also an idempotency key."""
    known = {
        "FLOWRUNNER_TASK_ID": task.task_id,
        "FLOWRUNNER_MODE": task.mode_id,
        "FLOWRUNNER_PERSONA": task.persona,
        "FLOWRUNNER_MODEL": task.model,
    }
    return {name: text for name, text in known.items() if text is not None}


def _told(name: str, exc: ValidationError) -> list[Problem]:
    return [
        Problem(
            "invalid-agent",
            error["msg"],
            pointer="/".join(("/agents", name, *(str(part) for part in error["loc"][1:]))),
        )
        for error in exc.errors(include_url=False, include_input=False)
    ]


def _unfit(name: str, agent: Agent) -> list[Problem]:
    if isinstance(agent, StaticAgent):
        return []
    if isinstance(agent, ModelAgent):
        return _unfit_file(name, agent.api_key_file) + _unfit_options(name, agent)
    problems: list[Problem] = []
    program = agent.argv[0]
    if not program or ("/" in program and not Path(program).is_absolute()):
        message = f"{program!r} would be looked for in the project that is reviewed"
        hint = "give an absolute path, or a name that is on PATH"
        problems.append(
            Problem("relative-program", message, pointer=f"/agents/{name}/argv/0", hint=hint)
        )
    return problems + [
        Problem(code, message, pointer=f"/agents/{name}/env/{variable}")
        for variable, value in agent.env.items()
        for code, message in _unfit_variable(variable, value)
    ]


def _unfit_file(name: str, file: Path | None) -> list[Problem]:
    if file is None or file.is_absolute():
        return []
    message = f"{str(file)!r} would be looked for in whatever folder we were started in"
    pointer = f"/agents/{name}/api_key_file"
    return [Problem("relative-file", message, pointer=pointer, hint="give an absolute path")]


def _unfit_options(name: str, agent: ModelAgent) -> list[Problem]:
    place = f"/agents/{name}/options"
    if agent.kind != "api":
        message = f"only agents of kind 'api' have options, not {agent.kind!r}"
        return [Problem("invalid-agent", message, pointer=place)] if agent.options else []
    try:
        Options.model_validate(agent.options)
    except ValidationError as exc:
        return [
            Problem(
                "invalid-agent", error["msg"], pointer="/".join((place, *map(str, error["loc"])))
            )
            for error in exc.errors(include_url=False, include_input=False)
        ]
    return []


def _unfit_variable(variable: str, value: str) -> list[tuple[str, str]]:
    if not variable or "=" in variable or "\0" in variable:
        return [("invalid-variable", f"{variable!r} is no name of a variable")]
    if variable in _PRIVATE:
        return [("private-variable", f"{variable} is made for each task anew")]
    if _DATABASE.fullmatch(variable) or value.startswith(_ADDRESSES):
        return [("env-holds-database", "agents get no way to the database")]
    folders = value.split(os.pathsep) if variable == "PATH" else []
    if not all(Path(folder).is_absolute() for folder in folders):
        return [("relative-path", "relative folders of PATH lie in the project that is reviewed")]
    return []
