"""Any server that speaks OpenAI's chat completions: OpenAI, OpenRouter, Ollama, llama.cpp, LM Studio,
vLLM, KoboldCpp and many more.

They share a core and differ at the edges, so the edges are negotiated: what a server refuses by name (an
optional field, roles and names of messages, streaming) is done without, remembered for that server and model,
and the call is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from lunalux_core.llm.model import Message, ModelRequest, ModelSpec, Prefill
from lunalux_core.llm.parameters import PARAMETERS, ServerKind
from lunalux_core.llm.servers.http_call import Call
from lunalux_core.llm.servers.model_list import listed_rows, row_name
from lunalux_core.llm.servers.pool import checked_base_url
from lunalux_core.llm.servers.prompt_cache import Block, block_of, marked_part
from lunalux_core.llm.servers.refused_fields import FEW_STOPS, MANY_STOPS, FieldRefusal
from lunalux_core.llm.servers.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.servers.reports import ServerReport
from lunalux_core.llm.servers.request_fields import completed, request_fields
from lunalux_core.llm.servers.server_model import (
    LIST_SECONDS,
    TOO_MANY_TOKENS,
    ServerExchange,
    ServerModel,
    reply_key,
)

DEFAULT_BASE_URL = "https://api.openai.com/v1"

_RENAMED = "max_completion_tokens"
_OPTIONAL = frozenset(
    (
        *("stream_options", "return_progress", "genkey", "repeat_penalty", _RENAMED),
        *(wire.partition(".")[0] for parameter in PARAMETERS.values() for wire in parameter.wire.values()),
    )
)
"""Fields that a server may refuse by name; the call is then made without them."""
_ONLY_ONE = re.compile(r"temperature.{0,40}top_p.{0,80}(both|one)|both.{0,40}temperature.{0,40}top_p")
_CACHE = "cache_control"
_HOSTS: Mapping[str, Prefill] = {
    "api.openai.com": "refused",
    "api.deepseek.com": "prefix",
    "api.mistral.ai": "prefix",
    "openrouter.ai": "trailing",
}
_KINDS: Mapping[str, Prefill] = {
    "llamacpp": "trailing",
    "koboldcpp": "trailing",
    "openrouter": "trailing",
    "deepseek": "prefix",
    "mistral": "prefix",
    "vllm": "flags",
}
"""Kinds of server, by what a model's provider or the first word of its name calls them."""


class _Exchange(ServerExchange):
    """A call of chat completions, or of Ollama's own protocol, which alone takes window and samplers."""

    def call(self) -> Call:
        if self.spec.provider == "ollama":
            return completed(self._ollama(), self.spec.options)
        body = _body(self.spec, self.request, self.messages, self.kind, stream=self.streams)
        if self.learnt.most is not None and isinstance(limit := body.get("max_tokens"), int):
            body["max_tokens"] = min(limit, self.learnt.most)
        for name in self.learnt.refused & set(body):
            value = body.pop(name)
            if name == "max_tokens" and _RENAMED not in self.learnt.refused:
                # Newer models of OpenAI refuse `max_tokens` and want the other name for the same.
                body[_RENAMED] = value
        self._few_stops(body)
        body |= self._begun()
        if self._marks_help:
            body["messages"] = self._marked(body["messages"])
        return completed(Call(f"{self._home}/chat/completions", self.headers, body), self.spec.options)

    def _few_stops(self, body: dict[str, Any]) -> None:
        stops = body.get("stop")
        if MANY_STOPS in self.learnt.refused and isinstance(stops, list):
            body["stop"] = stops[:FEW_STOPS]

    def stops_sent(self) -> object:
        body = self.call().body
        options = body.get("options")
        return options.get("stop") if isinstance(options, dict) else body.get("stop")

    def _ollama(self) -> Call:
        sampling = effective_sampling(self.spec.sampling, self.request.sampling)
        fields = request_fields("ollama", sampling).body
        body = {
            "model": self.spec.model,
            "messages": [_ollama_message(message) for message in self.messages],
            "stream": self.streams,
            **{name: value for name, value in fields.items() if name not in self.learnt.refused},
            # Without it, Ollama loads the model with a small window of its own and cuts the prompt
            # silently.
            "options": {"num_ctx": self.spec.context_tokens, **fields.get("options", {})},
        }
        return Call(f"{self.base_url.removesuffix('/v1')}/api/chat", self.headers, body)

    @property
    def _home(self) -> str:
        """DeepSeek goes on from a begun reply at an address of its own."""
        if self._prefill != "prefix" or urlsplit(self.base_url).hostname != "api.deepseek.com":
            return self.base_url
        return f"{self.base_url.removesuffix('/v1').removesuffix('/beta')}/beta"

    @property
    def _prefill(self) -> Prefill:
        """How the server goes on from the last message, where that begins the reply."""
        messages = self.messages
        if not messages or messages[-1].role != "assistant":
            return "unknown"
        support = self.spec.options.prefill or self.learnt.prefill or usual_prefill(self.spec, self.base_url)
        return _KINDS.get(self.kind, "unknown") if support == "unknown" else support

    def _begun(self) -> dict[str, object]:
        """What tells a server that the last message is the beginning of the reply."""
        if self._prefill == "flags":
            return {"continue_final_message": True, "add_generation_prompt": False}
        if self._prefill == "prefix":
            last = _message(self.messages[-1])
            return {"messages": [*map(_message, self.messages[:-1]), {**last, "prefix": True}]}
        return {}

    def decoder(self) -> ReplyDecoder:
        decoder = ServerExchange.decoder(self)
        if self._prefill == "prefix" and self._home == self.base_url:  # DeepSeek says nothing twice
            decoder.echo = self.messages[-1].content
        return decoder

    def ended(self) -> None:
        """llama.cpp is known by the times that it tells at the end, and goes on from a begun reply."""
        if self._decoder is not None and self._decoder.timed and not self.learnt.prefill:
            self.learnt.prefill = "trailing"
            self.keep(self.learnt)

    @property
    def _marks_help(self) -> bool:
        """Whether marks reach a cache: OpenRouter hands them on to Claude; others cache by themselves."""
        host = urlsplit(self.base_url).hostname or ""
        there = str(self.spec.provider) == "openrouter" or f".{host}".endswith(".openrouter.ai")
        return there and self.spec.model.startswith("anthropic/") and _CACHE not in self.learnt.refused

    def _stable(self) -> list[Block]:
        """The messages as blocks, without a reply that is begun."""
        blocks: list[Block] = [block_of(message.role, message) for message in self.messages]
        return blocks[:-1] if blocks and blocks[-1][0] == "assistant" else blocks

    def _marked(self, messages: object) -> list[object]:
        marks = self.sent.marks(self._stable())
        wire = messages if isinstance(messages, list) else []
        return [
            {**message, "content": _marked_content(message["content"])}
            if place in marks and message["content"]
            else message
            for place, message in enumerate(wire)
        ]

    def proved(self) -> None:
        if self._marks_help:
            self.sent.keep(self._stable())
        ServerExchange.proved(self)

    def fields(self, refusal: FieldRefusal, report: ServerReport) -> set[str]:
        # What the person added is never taken away: the refusal is told instead.
        sent = set(self.call().body) - set(self.spec.options.extra_body)
        text = refusal.text
        if "stop" in sent and refusal.too_many_stops():
            stops = self.stops_sent()
            return {MANY_STOPS if isinstance(stops, list) and len(stops) > FEW_STOPS else "stop"}
        named = refusal.fields(sent & _OPTIONAL)
        if "max_tokens" in sent and (_RENAMED in refusal.blamed or "max_tokens" in named):
            if TOO_MANY_TOKENS.search(text):
                named.discard("max_tokens")
            else:
                return {"max_tokens"} if _RENAMED in text else named | {"max_tokens", _RENAMED}
        if _CACHE in refusal.blamed and self._marks_help:
            return {_CACHE}
        if {"temperature", "top_p"} <= sent and _ONLY_ONE.search(refusal.blamed):
            return {"top_p"}
        # Who gives one reply at a time says so in many ways; it is asked for one before anything is given up.
        return named or ({"n"} if "n" in sent and self.request.choices > 1 else set())

    def asked_tokens(self) -> object:
        body = self.call().body
        return body.get("max_tokens", body.get(_RENAMED))

    def amend(self, status: int, body: bytes) -> bool:
        return ServerExchange.amend(self, status, body) or self._capped(status, body)

    def _capped(self, status: int, body: bytes) -> bool:
        """Whether the reply was allowed more tokens than this model takes; from now on it is not."""
        text = body[:4000].decode("utf-8", "replace").lower()
        match = TOO_MANY_TOKENS.search(text) if status in {400, 422} else None
        return self.capped_at(int(match["most"]) if match is not None else 0)


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

    async def prefill(self) -> Prefill:
        """Learnt, or usual for this kind of server."""
        support = await ServerModel.prefill(self)
        if support == "unknown":
            support = usual_prefill(self._spec, self._base_url)
        return _KINDS.get(self.kind_known, "unknown") if support == "unknown" else support

    async def models(self, seconds: float = LIST_SECONDS) -> tuple[str, ...]:
        """The names of the server's models, in its order, within `seconds`.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        rows = listed_rows(await self.listing("models", seconds))
        if rows is None:
            raise self._failures.bad_answer("no list of models")
        return tuple(dict.fromkeys(name for row in rows if (name := row_name(row))))


def usual_prefill(spec: ModelSpec, base_url: str) -> Prefill:
    """How the models of a provider or kind of server go on from a begun reply; "unknown" for any other."""
    host = urlsplit(base_url).hostname or ""
    kind = _KINDS.get(str(spec.provider)) or _KINDS.get(spec.name.partition(":")[0])
    if kind is not None:
        return kind
    return next((how for name, how in _HOSTS.items() if f".{host}".endswith(f".{name}")), "unknown")


def openai_base_url(url: str) -> str:
    """The base URL as people type it, made usable: `…/chat/completions` cut off, `/v1` for a bare host.

    Raises:
        InvalidInput: MODEL_URL_INVALID.
    """
    url = checked_base_url(url, DEFAULT_BASE_URL).removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


def _body(
    spec: ModelSpec, request: ModelRequest, messages: Iterable[Message], kind: ServerKind, *, stream: bool
) -> dict[str, Any]:
    sampling = effective_sampling(spec.sampling, request.sampling)
    if request.choices > 1:
        sampling = replace(sampling, n=request.choices)
    return {
        "model": spec.model,
        "messages": [_message(message) for message in messages],
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {"stream": False}),
        **({"genkey": reply_key(request)} if kind == "koboldcpp" else {}),
        **({"return_progress": True} if stream and kind == "llamacpp" else {}),
        **request_fields(kind, sampling).body,
    }


def _marked_content(content: str | list[dict[str, object]]) -> list[dict[str, object]]:
    """A content whose end is marked."""
    if isinstance(content, str):
        return [marked_part(content)]
    return [*content[:-1], {**content[-1], "cache_control": {"type": "ephemeral"}}]


def _ollama_message(message: Message) -> dict[str, object]:
    wire: dict[str, object] = {"role": message.role, "content": message.content}
    if message.pictures:
        from lunalux_core.llm.servers.images import base64_of

        wire["images"] = [base64_of(picture) for picture in message.pictures]
    return wire


def _message(message: Message) -> dict[str, object]:
    wire: dict[str, object] = {"role": message.role, "content": message.content}
    if message.pictures:
        from lunalux_core.llm.servers.images import openai_content

        wire["content"] = openai_content(message)
    if message.name:
        # The protocol allows no blanks or these marks in a name, and 64 characters.
        wire["name"] = re.sub(r"[\s<|\\/>]+", "_", message.name)[:64]
    return wire
