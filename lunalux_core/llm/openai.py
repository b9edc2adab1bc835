"""Any server that speaks OpenAI's chat completions: OpenAI, OpenRouter, Ollama, llama.cpp, LM Studio,
vLLM, KoboldCpp and many more.

They share a core and differ at the edges, so the edges are negotiated: an optional field that a server
refuses by name is dropped, remembered for that server and model, and the call is sent again.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from urllib.parse import urlsplit

from lunalux_core import __version__
from lunalux_core.llm.failures import Failures
from lunalux_core.llm.http import Call, get_json, stream_reply
from lunalux_core.llm.model import Delta, Message, ModelRequest, ModelSpec, Usage
from lunalux_core.llm.pool import HttpPool, checked_base_url, checked_key, host_of
from lunalux_core.llm.probe import ModelTest, probe
from lunalux_core.llm.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.reports import read_report

DEFAULT_BASE_URL = "https://api.openai.com/v1"
LIST_SECONDS = 15

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


class OpenAIModel:
    """A chat model behind an OpenAI-compatible server. `key` may be empty for local servers."""

    def __init__(self, spec: ModelSpec, key: str = "", pool: HttpPool | None = None) -> None:
        """Raises InvalidInput: MODEL_URL_INVALID, MODEL_KEY_INVALID."""
        self._spec = spec
        self._base_url = openai_base_url(spec.base_url)
        self._key = checked_key(key)
        self._pool = pool or HttpPool()
        self._failures = Failures(host_of(self._base_url), spec.model, self._key)

    def __repr__(self) -> str:
        return f"OpenAIModel({self._spec.name!r})"

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`."""
        refused = self._pool.refused_fields.setdefault((self._base_url, self._spec.model), set())
        headers = self._headers()
        if request.request_id:
            headers["Idempotency-Key"] = request.request_id
        exchange = _Exchange(self._spec, request, self._failures, self._base_url, headers, refused)
        async with aclosing(stream_reply(self._pool, self._base_url, exchange)) as deltas:
            async for delta in deltas:
                yield delta

    async def models(self, seconds: float = LIST_SECONDS) -> tuple[str, ...]:
        """The names of the server's models, in its order, within `seconds`.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        document = await get_json(
            self._pool,
            self._base_url,
            f"{self._base_url}/models",
            self._headers(),
            self._failures,
            seconds,
        )
        rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise self._failures.bad_answer("no list of models")
        names = [row.get("id") or row.get("name") for row in rows if isinstance(row, dict)]
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))

    async def test(self) -> ModelTest:
        """One tiny completion. Raises like `stream`."""
        return await probe(self)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"lunalux/{__version__}", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers


def openai_base_url(url: str) -> str:
    """The base URL as people type it, made usable: `…/chat/completions` cut off, `/v1` for a bare host.

    Raises:
        InvalidInput: MODEL_URL_INVALID.
    """
    url = checked_base_url(url, DEFAULT_BASE_URL).removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


class _Exchange:
    """One call, and what of it the server has refused so far (`refused` outlives the call)."""

    def __init__(
        self,
        spec: ModelSpec,
        request: ModelRequest,
        failures: Failures,
        base_url: str,
        headers: dict[str, str],
        refused: set[str],
    ) -> None:
        self.failures = failures
        self._spec, self._request = spec, request
        self._url, self._headers, self._refused = f"{base_url}/chat/completions", headers, refused

    def call(self) -> Call:
        body = _body(self._spec, self._request)
        for name in self._refused & set(body):
            value = body.pop(name)
            if name == "max_tokens":
                body[_RENAMED] = value
        return Call(self._url, self._headers, body)

    def decoder(self) -> ReplyDecoder:
        return OpenAIDecoder(self.failures, self._request.messages)

    def amend(self, body: bytes) -> bool:
        sent = set(self.call().body)
        report = read_report(body, None, {})
        text = f"{report.words} {report.message}".lower() + body[:4000].decode("utf-8", "replace").lower()
        if _RENAMED in text and "max_tokens" in sent:
            named = {"max_tokens"}
        elif _REFUSES_FIELD.search(text):
            named = {name for name in _OPTIONAL if name in sent and re.search(rf"\b{name}\b", text)}
        else:
            named = set()
        self._refused |= named
        return bool(named)


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
