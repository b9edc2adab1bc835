"""Any server that speaks OpenAI's chat completions: OpenAI, OpenRouter, Ollama, llama.cpp, LM Studio,
vLLM, KoboldCpp and many more.

They share a core and differ at the edges, so the edges are negotiated: an optional field that a server
refuses by name is dropped, remembered for that server and model, and the call is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from lunalux_core.llm.http import Call
from lunalux_core.llm.model import Delta, Message, ModelRequest, ModelSpec, Usage
from lunalux_core.llm.pool import checked_base_url
from lunalux_core.llm.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.reports import read_report
from lunalux_core.llm.server import LIST_SECONDS, ServerExchange, ServerModel

DEFAULT_BASE_URL = "https://api.openai.com/v1"

_OPTIONAL = (
    "stream_options",
    "repeat_penalty",
    "repetition_penalty",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "top_p",
    "temperature",
)
_REFUSES_FIELD = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra_forbidden"
)
_RENAMED = "max_completion_tokens"


class _Exchange(ServerExchange):
    """A call of chat completions."""

    def call(self) -> Call:
        body = _body(self.spec, self.request)
        for name in self.refused & set(body):
            value = body.pop(name)
            if name == "max_tokens":
                body[_RENAMED] = value
        return Call(f"{self.base_url}/chat/completions", self.headers, body)

    def decoder(self) -> ReplyDecoder:
        return OpenAIDecoder(self.failures, self.request.messages)

    def refuses(self, body: bytes) -> set[str]:
        sent = set(self.call().body)
        report = read_report(body, None, {})
        text = f"{report.words} {report.message}".lower() + body[:4000].decode("utf-8", "replace").lower()
        if _RENAMED in text and "max_tokens" in sent:
            return {"max_tokens"}
        if not _REFUSES_FIELD.search(text):
            return set()
        return {name for name in _OPTIONAL if name in sent and re.search(rf"\b{name}\b", text)}


class OpenAIModel(ServerModel):
    """A chat model behind an OpenAI-compatible server."""

    exchange = _Exchange

    @staticmethod
    def address(url: str) -> str:
        return openai_base_url(url)

    def authorised(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def traced(self, request: ModelRequest) -> dict[str, str]:
        return {"Idempotency-Key": request.request_id} if request.request_id else {}

    async def models(self, seconds: float = LIST_SECONDS) -> tuple[str, ...]:
        """The names of the server's models, in its order, within `seconds`.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        document = await self.listing("models", seconds)
        rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise self._failures.bad_answer("no list of models")
        names = [row.get("id") or row.get("name") for row in rows if isinstance(row, dict)]
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def openai_base_url(url: str) -> str:
    """The base URL as people type it, made usable: `…/chat/completions` cut off, `/v1` for a bare host.

    Raises:
        InvalidInput: MODEL_URL_INVALID.
    """
    url = checked_base_url(url, DEFAULT_BASE_URL).removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


def _body(spec: ModelSpec, request: ModelRequest) -> dict[str, object]:
    sampling = effective_sampling(spec.sampling, request.sampling)
    optional = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_tokens,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        # The same parameter: llama.cpp and Ollama know the first name, vLLM and OpenRouter the second.
        "repeat_penalty": sampling.repeat_penalty,
        "repetition_penalty": sampling.repeat_penalty,
    }
    return {
        "model": spec.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _message(message: Message) -> dict[str, str]:
    wire = {"role": message.role, "content": message.content}
    if message.name:
        # The protocol allows no blanks or these marks in a name, and 64 characters.
        wire["name"] = re.sub(r"[\s<|\\/>]+", "_", message.name)[:64]
    return wire


class OpenAIDecoder(ReplyDecoder):
    """Chunks of a stream, or the one object of an answer that was not streamed."""

    def feed(self, event: object) -> Iterator[Delta]:
        if not isinstance(event, dict):
            return
        if event.get("error"):
            raise self.failures.refusal(read_report(event, None, {}))
        if isinstance(usage := event.get("usage"), dict):
            self.usage = Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        part = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        if isinstance(part, dict):
            yield from self._part(part)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            if reason == "error":
                raise self.failures.refusal(read_report(choice.get("error") or "server error", 500, {}))
            self.finish = reason

    def _part(self, part: dict[str, object]) -> Iterator[Delta]:
        for field in ("reasoning_content", "reasoning", "reasoning_details"):
            # Servers that send several of them send the same text in each.
            if thinking := _text(part.get(field)):
                yield from self._reasoning(thinking)
                break
        content = part.get("content")
        if isinstance(content, list):
            for item in content:
                if isinstance(item, dict) and item.get("type") == "thinking":
                    yield from self._reasoning(_text(item.get("thinking")))
                else:
                    yield from self._answer(_text(item))
        elif isinstance(content, str) and content:
            yield from self._answer(content)
        if not content and isinstance(refusal := part.get("refusal"), str) and refusal:
            yield from self._answer(refusal)


def _text(value: object) -> str:
    """The text of a field that is a string, a part with `text` or `summary`, or a list of such parts."""
    if isinstance(value, list):
        return "".join(_text(item) for item in value)
    if isinstance(value, dict):
        value = value.get("text") or value.get("summary")
    return value if isinstance(value, str) else ""


def _count(usage: dict[str, object], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
