"""What a worker hides is not there for its agents; their own folders may lie in it all the same."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.gates import stage
from dispatch.gates.scenes import Scene, each_gate, each_user, said_inside
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.dispatch.gates.hiding import coverable, places_to_hide
from flowrunner.dispatch.gates.probe import probe
from flowrunner.dispatch.gates.wall import Closed, Wall

LOOK = """
import json, os, socket, sys
seen = {}
def attempt(name, act):
    try:
        seen[name] = act()
    except OSError as exc:
        seen[name] = None
def connect(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
    return "connected"
PLACE = PLACE_OF_TEST
attempt("list", lambda: sorted(os.listdir(PLACE)))
attempt("read", lambda: open(PLACE + "/data/key").read())
attempt("connect", lambda: connect(PLACE + "/data/socket"))
attempt("file", lambda: open(PLACE + "-file").read())
attempt("beside", lambda: connect(PLACE + "-socket"))
attempt("write", lambda: open(PLACE + "/new", "w").write("x"))
attempt("home", lambda: open(os.path.expanduser("~/mine"), "w").write("x"))
attempt("rename", lambda: os.rename(os.path.expanduser("~/mine"), os.path.expanduser("~/moved")))
print(json.dumps(seen))
"""


@contextmanager
def a_service(scene: Scene) -> Generator[Path]:
    """The folder of a service whose tasks have their rooms in it: a key, and a database's socket."""
    place = scene.folder / "room"
    (place / "data").mkdir(parents=True)
    (place / "data" / "key").write_text("secret", encoding="utf-8")
    place.with_name("room-file").write_text("secret", encoding="utf-8")
    sockets = (place / "data" / "socket", place.with_name("room-socket"))
    servers = [socket.socket(socket.AF_UNIX) for _ in sockets]
    for server, path in zip(servers, sockets, strict=True):
        server.bind(str(path))
        server.listen()
    for path in (place, *place.rglob("*"), *scene.folder.glob("room-*")):
        path.chmod(0o777)
    try:
        yield place
    finally:
        for server in servers:
            server.close()


def look(scene: Scene, through: Gate, place: Path) -> dict[str, object]:
    hidden = (str(place), f"{place}-file", f"{place}-socket", f"{place}-nowhere")
    script = LOOK.replace("PLACE_OF_TEST", repr(str(place)))
    end = said_inside(scene, replace(through, hidden=hidden), script)
    assert end["exit_code"] == 0, end["stderr_tail"]
    return json.loads(end["output"]["text"])


@each_user
@each_gate
def test_what_is_hidden_is_not_there(name: str, scene: Scene) -> None:
    """P8, F56: no key is read, no socket reached; HOME lies within, and works. Landlock cannot."""
    through = stage.gate(name)
    with a_service(scene) as place:
        seen = look(scene, through, place)

    hides = Right.HIDDEN in through.rights
    assert (seen["read"], seen["connect"]) == ((None, None) if hides else ("secret", "connected"))
    assert (seen["file"] or None, seen["beside"]) == (
        (None, None) if hides else ("secret", "connected")
    )
    assert seen["write"] is None
    assert seen["home"] == 1
    assert "data" not in seen["list"] if hides else "data" in seen["list"]  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize("user", ["user" if stage.ME else "root"])
@each_gate
def test_a_probe_proves_it(name: str, scene: Scene) -> None:
    """P8: the right is claimed where it was tried, and a gate that shows all does not hold."""
    through = stage.gate(name)
    found = probe(through, scene.project, scene.folder / "probes")
    assert (Right.HIDDEN in found.proved) == (Right.HIDDEN in through.rights)
    assert found.holds, found.told()


def test_a_wall_hides_the_folder_that_its_own_rooms_lie_in(tmp_path: Path) -> None:
    """P8, P9: the gate is proved in a project with the service's folder hidden, room and all."""
    data, project = tmp_path / "data", tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    (project / "file").write_text("kept\n", encoding="utf-8")
    wall = Wall("strict", data / "agents", "/usr/bin:/bin", hidden=(data, tmp_path / "later"))

    closed = asyncio.run(wall.close(project))

    assert isinstance(closed, Closed), closed
    assert closed.gate.hidden == (str(data), str(tmp_path / "later"))


def test_what_is_needed_is_not_hidden(tmp_path: Path) -> None:
    """P9: neither a project nor what Python is made of; what lies around them is."""
    project = tmp_path / "data" / "projects" / "mine"
    project.mkdir(parents=True)
    for name in ("data/keys", "data/projects/other"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data" / "keys")

    places = [tmp_path / "data", tmp_path / "link", tmp_path / "data/keys/one", Path(sys.prefix)]
    found = coverable([*places, project / "inner", tmp_path / "none"], [project])

    wanted = ["data/keys", "data/projects/other", "data/projects/mine/inner", "none"]
    assert set(found) == {str(tmp_path / name) for name in wanted}
    assert coverable([project], [project]) == ()


def test_what_a_worker_hides(tmp_path: Path) -> None:
    """P8: its own folders, keys of its user, and sockets by which others do what they are told."""
    found = places_to_hide(tmp_path, [Path("/srv/flowrunner")], 1000)
    assert {Path("/srv/flowrunner"), tmp_path / ".ssh", tmp_path / ".aws"} <= set(found)
    assert {Path("/run/docker.sock"), Path("/run/postgresql"), Path("/run/user/1000")} <= set(found)
    assert len(places_to_hide(None, [])) < len(found)
