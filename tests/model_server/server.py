"""The server: one script, any number of requests at once, on a port of its own."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias, cast
from urllib.parse import urlparse

from model_server.script import Call, Cut, Fail, Hang, Json, Say, Step, Use, step_of, use_of
from model_server.wire import PROTOCOLS, Asked, Dialect

_KEYS = ("x-api-key", "x-goog-api-key", "authorization")
_GONE = (BrokenPipeError, ConnectionResetError)


@dataclass
class Model:
    """A running server: what it was asked, and how often."""

    steps: Sequence[Step]
    choose: Choose | None = None
    address: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    keys: set[str] = field(default_factory=set[str])
    over: threading.Event = field(default_factory=threading.Event)


Choose: TypeAlias = Callable[[Asked], Step]


@contextmanager
def a_model(*steps: Step, choose: Choose | None = None) -> Generator[Model]:
    """Run a model that does *steps*, the last one again and again; or what *choose* says."""
    model = Model(steps, choose)
    server = _Server(("127.0.0.1", 0), _Conversation)
    server.model = model
    model.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield model
    finally:
        model.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    model: Model
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's
        """Say nothing."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = self._body()
        path = urlparse(self.path).path
        protocol = next((PROTOCOLS[end] for end in PROTOCOLS if path.endswith(end)), None)
        if protocol is None:
            self._send({"input_tokens": 1}, 200 if path.endswith("count_tokens") else 404)
            return
        model = cast("_Server", self.server).model
        asked = protocol.read(body)
        model.asked.append(asked)
        model.keys.add(next((self.headers[name] for name in _KEYS if name in self.headers), ""))
        is_streamed = bool(body.get("stream")) or path.endswith(":streamGenerateContent")
        with suppress(*_GONE):
            self._play(model, protocol, asked, is_streamed=is_streamed)

    def _play(self, model: Model, protocol: Dialect, asked: Asked, *, is_streamed: bool) -> None:
        script = [model.choose(asked)] if model.choose else model.steps
        step = step_of(script, asked.done, asked.offered)
        match step:
            case Fail():
                self._send(_error(step), step.status)
            case Hang():
                model.over.wait()
                self.close_connection = True
            case Say() | Cut() | Call() | Use() if is_streamed:
                self._stream(model, protocol, step, asked)
            case Say():
                self._send(protocol.whole(step.text, None))
            case Cut():  # Who gives up on streams asks for all of it at once.
                self._half(protocol.whole(step.text, None))
            case Call() | Use():
                self._send(protocol.whole("", use_of(step, asked.done, asked.offered)))

    def _stream(
        self, model: Model, protocol: Dialect, step: Say | Cut | Call | Use, asked: Asked
    ) -> None:
        is_call = isinstance(step, Call | Use)
        use = use_of(step, asked.done, asked.offered) if is_call else None
        pieces = [] if is_call else step.text.split(" ")
        pieces = [piece + " " for piece in pieces[:-1]] + pieces[-1:]
        self._head("text/event-stream", ("transfer-encoding", "chunked"))
        for count, (name, body) in enumerate(protocol.stream(pieces, use)):
            if isinstance(step, Cut) and count > len(pieces) // 2 + 1:
                self.close_connection = True
                self.connection.close()
                return
            head = f"event: {name}\n" if name else ""
            self._chunk(f"{head}data: {json.dumps(body)}\n\n".encode())
            if isinstance(step, Say) and model.over.wait(step.pause):
                return
        if protocol is PROTOCOLS["/chat/completions"]:
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _body(self) -> Json:
        size = self.headers.get("content-length")
        body = self._chunked() if size is None else self.rfile.read(int(size))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return json.loads(body or b"{}")

    def _chunked(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _head(self, kind: str, *more: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, given in (("content-type", kind), *more):
            self.send_header(name, given)
        self.end_headers()

    def _send(self, body: Json, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self._head("application/json", ("content-length", str(len(text))), status=status)
        self.wfile.write(text)

    def _half(self, body: Json) -> None:
        text = json.dumps(body).encode()
        self._head("application/json", ("content-length", str(len(text))))
        self.wfile.write(text[: len(text) // 2])
        self.wfile.flush()
        self.close_connection = True

    def _chunk(self, body: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        self.wfile.flush()


def _error(step: Fail) -> Json:
    kind = "api_error"
    told = {"message": f"{step.message} {step.status}", "type": kind, "code": step.status}
    return {"type": "error", "error": told}
