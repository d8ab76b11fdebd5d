"""An endpoint that answers chat completions to the letter: chunks as a test writes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias, cast

Json: TypeAlias = dict[str, Any]
USED: Json = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@dataclass(frozen=True)
class Answer:
    """One response: *chunks* as a stream, or *body* with its *status*. *waits*: only after that."""

    chunks: Sequence[Json] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Json | None = None


def text(*pieces: str, reason: str | None = "stop") -> Answer:
    """Say it in pieces; without a *reason* the stream just ends."""
    return Answer([*(delta(content=piece) for piece in pieces), *_end(reason)])


def call(name: str, *arguments: Json | str) -> Answer:
    """Call a tool, once for each of its *arguments*."""
    calls = [
        {
            "index": number,
            "id": f"id-{number}",
            "type": "function",
            "function": {"name": name, "arguments": a if isinstance(a, str) else json.dumps(a)},
        }
        for number, a in enumerate(arguments)
    ]
    return Answer([delta(content=None, tool_calls=calls), *_end("tool_calls")])


def delta(**given: Any) -> Json:
    return _chunk({"role": "assistant", **given}, None)


def refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer(status=status, headers=headers, body={"error": {"message": message}})


def _end(reason: str | None) -> list[Json]:
    if reason is None:
        return []
    return [_chunk({}, reason), {**_CHUNK, "choices": [], "usage": USED}]


_CHUNK: Json = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}


def _chunk(delta: Json, reason: str | None) -> Json:
    return {**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@dataclass
class Endpoint:
    """A running one: what it was asked."""

    answers: Sequence[Answer]
    address: str = ""
    asked: list[Json] = field(default_factory=list[Json])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def told(self, request: int = -1) -> list[str]:
        """What tools gave to the model, as of that request."""
        messages: list[Json] = self.asked[request]["messages"]
        return [m["content"] for m in messages if m["role"] == "tool"]


@contextmanager
def an_endpoint(*answers: Answer) -> Generator[Endpoint]:
    """Run one that gives *answers*, one to a request; the last one again and again."""
    endpoint = Endpoint(answers)
    server = _Server(("127.0.0.1", 0), _Speaking)
    server.endpoint = endpoint
    endpoint.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    endpoint: Endpoint
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


class _Speaking(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's
        """Say nothing."""

    def do_POST(self) -> None:
        endpoint = cast("_Server", self.server).endpoint
        body = self.rfile.read(int(self.headers["content-length"]))
        count = len(endpoint.asked)
        endpoint.asked.append(json.loads(body))
        endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
        answer = endpoint.answers[min(count, len(endpoint.answers) - 1)]
        with suppress(BrokenPipeError, ConnectionResetError):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        kind = "text/event-stream" if answer.body is None else "application/json"
        for name, value in {"content-type": kind, **answer.headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if answer.body is not None:
            self.wfile.write(json.dumps(answer.body).encode())
            return
        for chunk in answer.chunks:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
