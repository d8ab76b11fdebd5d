"""Four protocols: what a request says, and how an answer is streamed or sent whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from model_server.script import Json, Use

INPUT_TOKENS, OUTPUT_TOKENS = 100, 20


@dataclass(frozen=True)
class Asked:
    """A request, read: how many tools were used before, what is offered, what was said in all."""

    done: int
    offered: Mapping[str, object]
    text: str
    patches: frozenset[str] = field(default_factory=frozenset[str])


class Dialect(Protocol):
    """One of them; events are pairs of a name, or none, and a body."""

    def read(self, body: Json) -> Asked: ...

    def stream(self, pieces: list[str], use: Use | None) -> Iterator[tuple[str, Json]]: ...

    def whole(self, text: str, use: Use | None) -> Json: ...


class Chat:
    """OpenAI's chat completions."""

    def read(self, body: Json) -> Asked:
        messages: list[Json] = body["messages"]
        done = sum(1 for m in messages if m["role"] == "assistant" and m.get("tool_calls"))
        tools: list[Json] = body.get("tools") or []
        offered: Json = {t["function"]["name"]: t["function"].get("parameters") for t in tools}
        return Asked(done, offered, json.dumps(messages))

    def stream(self, pieces: list[str], use: Use | None) -> Iterator[tuple[str, Json]]:
        for piece in pieces:
            yield "", self._chunk({"role": "assistant", "content": piece}, None)
        if use is not None:
            yield "", self._chunk({"role": "assistant", "tool_calls": [_function(use)]}, None)
        yield "", self._chunk({}, "stop" if use is None else "tool_calls")
        yield (
            "",
            {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": _CHAT_USAGE},
        )

    def whole(self, text: str, use: Use | None) -> Json:
        calls = {} if use is None else {"tool_calls": [_function(use)]}
        message = {"role": "assistant", "content": text, **calls}
        reason = "stop" if use is None else "tool_calls"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": _CHAT_USAGE}

    def _chunk(self, delta: Json, reason: str | None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}


_CHAT_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}


def _function(use: Use) -> Json:
    function = {"name": use.name, "arguments": json.dumps(use.arguments)}
    return {"index": 0, "id": use.call_id, "type": "function", "function": function}


class Responses:
    """OpenAI's responses."""

    def read(self, body: Json) -> Asked:
        entries: list[Json] = body["input"]
        kinds = ("function_call", "custom_tool_call")
        tools: list[Json] = body.get("tools") or []
        offered: Json = {t["name"]: t.get("parameters") for t in tools if "name" in t}
        patches = frozenset(t["name"] for t in tools if t.get("type") == "custom")
        done = sum(1 for entry in entries if entry.get("type") in kinds)
        return Asked(done, offered, json.dumps(entries), patches)

    def stream(self, pieces: list[str], use: Use | None) -> Iterator[tuple[str, Json]]:
        answer = self.whole("".join(pieces), use)
        yield _event("response.created", response={**answer, "status": "in_progress", "output": []})
        for entry in answer["output"]:
            yield _event("response.output_item.added", output_index=0, item=entry)
            for piece in pieces if entry["type"] == "message" else []:
                yield _event("response.output_text.delta", **_PLACE, delta=piece)
            yield _event("response.output_item.done", output_index=0, item=entry)
        yield _event("response.completed", response=answer)

    def whole(self, text: str, use: Use | None) -> Json:
        return {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "output": [self._message(text) if use is None else self._call(use)],
            "usage": {
                "input_tokens": INPUT_TOKENS,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": OUTPUT_TOKENS,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            },
        }

    def _message(self, text: str) -> Json:
        content: list[Json] = [{"type": "output_text", "text": text, "annotations": list[str]()}]
        return {"type": "message", "id": "m", "role": "assistant", "content": content}

    def _call(self, use: Use) -> Json:
        about = {"id": f"f_{use.call_id}", "call_id": use.call_id, "name": use.name}
        if use.is_patch:
            return {"type": "custom_tool_call", **about, "input": use.arguments["input"]}
        return {"type": "function_call", **about, "arguments": json.dumps(use.arguments)}


_PLACE = {"item_id": "m", "output_index": 0, "content_index": 0}


def _event(name: str, **body: Any) -> tuple[str, Json]:
    return name, {"type": name, "sequence_number": 0, **body}


class Messages:
    """Anthropic's messages."""

    def read(self, body: Json) -> Asked:
        messages: list[Json] = body["messages"]
        done = sum(_uses(m["content"]) for m in messages if m["role"] == "assistant")
        tools: list[Json] = body.get("tools") or []
        offered: Json = {t["name"]: t.get("input_schema") for t in tools if "name" in t}
        return Asked(done, offered, json.dumps(messages))

    def stream(self, pieces: list[str], use: Use | None) -> Iterator[tuple[str, Json]]:
        answer = self.whole("".join(pieces), use)
        begun: Json = {**answer, "content": list[Json](), "stop_reason": None}
        yield "message_start", {"type": "message_start", "message": begun}
        block = answer["content"][0]
        empty: Json = {**block, "text": ""} if use is None else {**block, "input": dict[str, Any]()}
        yield _block("content_block_start", content_block=empty)
        for piece in pieces if use is None else []:
            yield _block("content_block_delta", delta={"type": "text_delta", "text": piece})
        if use is not None:
            told = {"type": "input_json_delta", "partial_json": json.dumps(use.arguments)}
            yield _block("content_block_delta", delta=told)
        yield _block("content_block_stop")
        delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
        body = {"type": "message_delta", "delta": delta, "usage": answer["usage"]}
        yield "message_delta", body
        yield "message_stop", {"type": "message_stop"}

    def whole(self, text: str, use: Use | None) -> Json:
        block: Json = {"type": "text", "text": text}
        if use is not None:
            number = f"toolu_{use.call_id}"
            block = {"type": "tool_use", "id": number, "name": use.name, "input": use.arguments}
        return {
            "id": f"msg_{uuid4().hex}",  # Messages of one id are taken for one.
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": [block],
            "stop_reason": "end_turn" if use is None else "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        }


def _block(name: str, **body: Any) -> tuple[str, Json]:
    return name, {"type": name, "index": 0, **body}


def _uses(content: object) -> int:
    parts: list[Json] = content if isinstance(content, list) else []  # pyright: ignore[reportUnknownVariableType]  # JSON
    return sum(part.get("type") == "tool_use" for part in parts)


class Gemini:
    """Google's generateContent."""

    def read(self, body: Json) -> Asked:
        contents: list[Json] = body["contents"]
        parts: list[Json] = [p for c in contents if c.get("role") == "model" for p in c["parts"]]
        tools: list[Json] = body.get("tools") or []
        declared: list[list[Json]] = [t.get("functionDeclarations") or [] for t in tools]
        functions = [function for some in declared for function in some]
        offered: Json = {
            f["name"]: f.get("parametersJsonSchema") or f.get("parameters") for f in functions
        }
        done = sum(1 for part in parts if "functionCall" in part)
        return Asked(done, offered, json.dumps(contents))

    def stream(self, pieces: list[str], use: Use | None) -> Iterator[tuple[str, Json]]:
        for piece in pieces:
            yield "", self._candidate({"text": piece}, None)
        yield "", self.whole("", use)

    def whole(self, text: str, use: Use | None) -> Json:
        part: Json = {"text": text}
        if use is not None:
            part = {"functionCall": {"name": use.name, "args": use.arguments, "id": use.call_id}}
        usage = {
            "promptTokenCount": INPUT_TOKENS,
            "candidatesTokenCount": OUTPUT_TOKENS,
            "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        return {**self._candidate(part, "STOP"), "usageMetadata": usage}

    def _candidate(self, part: Json, reason: str | None) -> Json:
        ended = {} if reason is None else {"finishReason": reason}
        content = {"role": "model", "parts": [part]}
        return {"candidates": [{"content": content, "index": 0, **ended}], "responseId": "r"}


PROTOCOLS: dict[str, Dialect] = {
    "/chat/completions": Chat(),
    "/responses": Responses(),
    "/messages": Messages(),
    ":generateContent": Gemini(),
    ":streamGenerateContent": Gemini(),
}
