"""What a client is told, in the shapes of OpenAI's API reference."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lunalux_core.errors import (
    InvalidInput,
    LimitExceeded,
    LunaluxError,
    NetworkError,
    NotFound,
    PaymentError,
    ProviderError,
    SessionError,
)

if TYPE_CHECKING:
    from lunalux_core.library.character_list import CharacterSummary
    from lunalux_core.library.conversations import Message

_FINISH = {"length": "length", "filtered": "content_filter", "tool": "stop"}
"""Why a reply ended, in OpenAI's words; it has none for a reply that broke off."""
_STATUS: tuple[tuple[type[LunaluxError], int, str], ...] = (
    (PaymentError, 402, "insufficient_quota"),
    (SessionError, 403, "permission_error"),
    (LimitExceeded, 413, "invalid_request_error"),
    (NotFound, 404, "invalid_request_error"),
    (InvalidInput, 400, "invalid_request_error"),
    (ProviderError, 502, "api_error"),
    (NetworkError, 502, "api_error"),
)
"""The kinds of errors, the first that fits counts: HTTP status and OpenAI's type."""
_BUSY = "REPLY_RUNNING"


@dataclass(frozen=True, slots=True)
class CompletionReply:
    """One finished reply; `text` is without what the client began it with."""

    text: str
    message: Message


class CompletionAnswer:
    """One answer, whole or in chunks.

    Args:
        model: as the client named it.
        is_text: the answer to `/v1/completions`, where a choice has a `text` instead of a message.
        conversation: where it is stored, "" for nowhere.
    """

    def __init__(self, model: str, conversation: str, *, is_text: bool) -> None:
        self._model = model
        self._conversation = conversation
        self._is_text = is_text
        self._id = f"{'cmpl' if is_text else 'chatcmpl'}-{uuid4().hex}"
        self._created = int(time.time())
        self._chunk_kind = "text_completion" if is_text else "chat.completion.chunk"

    def whole(self, replies: Sequence[CompletionReply]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = []
        for index, reply in enumerate(replies):
            thought = {"reasoning_content": reply.message.thinking} if reply.message.thinking else {}
            said = (
                {"text": reply.text}
                if self._is_text
                else {"message": {"role": "assistant", "content": reply.text, **thought}}
            )
            choices.append(
                {"index": index, **said, "logprobs": None, "finish_reason": _finish(reply.message)}
            )
        kind = "text_completion" if self._is_text else "chat.completion"
        return {**self._head(kind), "choices": choices, "usage": usage_of(replies), **self._ours(replies)}

    def begin(self, index: int) -> dict[str, Any]:
        """The chunk that opens a choice."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def more(self, index: int, text: str) -> dict[str, Any]:
        """More of a reply."""
        return self._chunk(index, {"content": text})

    def thought(self, index: int, text: str) -> dict[str, Any]:
        """More of what the model thinks."""
        return self._chunk(index, {"reasoning_content": text})

    def end(self, index: int, reply: CompletionReply) -> dict[str, Any]:
        """The last chunk of a choice."""
        return {**self._chunk(index, {}, _finish(reply.message)), **self._ours([reply])}

    def usage(self, replies: Sequence[CompletionReply]) -> dict[str, Any]:
        """The chunk without choices that tells what all of it took."""
        return {**self._head(self._chunk_kind), "choices": [], "usage": usage_of(replies)}

    def _chunk(self, index: int, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        if self._is_text:
            said: dict[str, Any] = {"text": delta.get("content", "")}
        else:
            said = {"delta": dict(delta)}
        choice = {"index": index, **said, "logprobs": None, "finish_reason": finish}
        return {**self._head(self._chunk_kind), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _ours(self, replies: Sequence[CompletionReply]) -> dict[str, Any]:
        """What only Lunalux has to tell: where the replies are stored, and what may be said next."""
        first = replies[0].message if replies else None
        return {
            "lunalux": {
                "conversation_id": self._conversation or None,
                "message_id": first.id if first is not None and self._conversation else None,
                "next_prompts": list(first.suggestions) if first is not None else [],
            }
        }


def usage_of(replies: Sequence[CompletionReply]) -> dict[str, Any]:
    """The tokens of all replies; those of the prompt are counted as the first request had them."""
    counts = [reply.message.usage or {} for reply in replies]
    prompt = counts[0].get("prompt_tokens", 0) if counts else 0
    completion = sum(count.get("completion_tokens", 0) for count in counts)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": counts[0].get("cached_tokens", 0) if counts else 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(count.get("thinking_tokens", 0) for count in counts)
        },
    }


def _finish(message: Message) -> str:
    return _FINISH.get(message.finish or "", "stop")


def model_row(character: CharacterSummary, name: str) -> dict[str, Any]:
    """A character in the list of models."""
    return {
        "id": name,
        "object": "model",
        "created": character.created_at // 1000,
        "owned_by": "lunalux",
        "description": character.intro,
    }


def error_body(error: LunaluxError) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of a failure; the message says what to do about it."""
    status, kind = 500, "api_error"
    for error_type, code, name in _STATUS:
        if isinstance(error, error_type):
            status, kind = code, name
            break
    # OpenAI's own client libraries try again by themselves after a 409.
    if error.code == _BUSY:
        status = 409
    message = f"{error.message} {error.hint}".strip()
    return status, {"error": {"message": message, "type": kind, "param": None, "code": error.code}}


def event(value: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
