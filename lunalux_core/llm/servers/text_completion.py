"""Text completion: one text in, what a model writes on from it out.

Three protocols: llama.cpp's `/completion`, KoboldCpp's `/api/extra/generate/stream`, and `/completions` of
everything that speaks OpenAI's old protocol. Which one a server has is found out by asking it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakKeyDictionary

from lunalux_core.llm.model import CompletionText, Delta, Message, ModelRequest, Sampling
from lunalux_core.llm.parameters import PARAMETERS, kind_of
from lunalux_core.llm.servers.facts import SILENT
from lunalux_core.llm.servers.http_call import Call
from lunalux_core.llm.servers.marks import marks
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.llm.servers.prompt_post_processing import Shape
from lunalux_core.llm.servers.refused_fields import FEW_STOPS, MANY_STOPS, FieldRefusal
from lunalux_core.llm.servers.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.servers.reports import ServerReport
from lunalux_core.llm.servers.request_fields import completed, request_fields
from lunalux_core.llm.servers.server_model import (
    TOO_MANY_TOKENS,
    ServerExchange,
    reply_key,
    root_of,
)
from lunalux_core.templates.jinja import render_chat

TextProtocol = Literal["llamacpp", "koboldcpp", "generic"]

DEFAULT_TOKENS = 512

_PROVIDERS: Mapping[str, TextProtocol] = {"llamacpp": "llamacpp", "koboldcpp": "koboldcpp"}
_LIMITS: Mapping[TextProtocol, str] = {
    "llamacpp": "n_predict",
    "koboldcpp": "max_length",
    "generic": "max_tokens",
}
"""What each protocol calls the most tokens of a reply."""
_OPTIONAL = frozenset(
    (
        *("stream_options", "cache_prompt", "return_progress", "repeat_penalty"),
        *(wire for parameter in PARAMETERS.values() for wire in parameter.wire.values() if "." not in wire),
    )
) - set(_LIMITS.values())
_NO_TEXT = CompletionText("")

# Weak, so that it is forgotten together with the connections.
_KNOWN: WeakKeyDictionary[HttpPool, dict[tuple[str, str], TextProtocol]] = WeakKeyDictionary()
"""Which protocol a server has for a model, once it has answered."""


class TextCompletionModel(OpenAIModel):
    """A model that is given one text. A request without one goes to its chat template instead."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`."""
        if request.completion is not None:
            await self.kind()
        async with aclosing(super().stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    def _exchange(self, request: ModelRequest) -> ServerExchange:
        """Of a text in the server's protocol for it; one that was never asked what it has counts as any."""
        exchange = super()._exchange(request)
        if request.completion is None:
            return exchange
        protocol = self._protocol or _PROVIDERS.get(self._spec.provider) or "generic"
        return TextExchange(
            exchange.failures,
            exchange.spec,
            request,
            exchange.base_url,
            exchange.headers,
            exchange.learnt,
            exchange.keep,
            exchange.timeouts,
            exchange.sent,
            protocol,
            completion=request.completion,
            protocol=protocol,
        )

    @property
    def _protocol(self) -> TextProtocol | None:
        return _KNOWN.get(self._pool, {}).get((self._base_url, self._spec.model))

    async def kind(self) -> TextProtocol:
        """What the server is, found out once; never raises."""
        protocol = self._protocol or _PROVIDERS.get(str(self._spec.provider)) or await self._asked()
        if protocol is not None:
            _KNOWN.setdefault(self._pool, {})[self._base_url, self._spec.model] = protocol
        return protocol or "generic"

    async def _asked(self) -> TextProtocol | None:
        """None where nothing answers: it may be started later."""
        version, props = await asyncio.gather(self.beside("api/extra/version"), self.beside("props"))
        if version is SILENT and props is SILENT:
            return None
        # First, because KoboldCpp answers like llama.cpp, too.
        if isinstance(version, dict) and "kobold" in str(version.get("result", "")).lower():
            return "koboldcpp"
        if isinstance(props, dict) and "default_generation_settings" in props:
            return "llamacpp"
        return "generic"

    async def served_template(self, messages: tuple[Message, ...]) -> str:
        """What the server's chat template makes of messages, up to the reply; "" where it does not say."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if await self.kind() == "llamacpp":
            answer = await self.beside("apply-template", {"messages": turns})
            if text := _text_of(answer, "prompt"):
                return text
        template = _text_of(await self.beside("props"), "chat_template")
        return render_chat(template, turns) if template else ""

    async def served_name(self) -> str:
        """The name of the template that a server says it uses (TabbyAPI), "" where it names none."""
        if await self.kind() != "generic":
            return ""
        card = await self.beside("v1/model")
        parameters = card.get("parameters") if isinstance(card, dict) else None
        return _text_of(parameters, "prompt_template")


@dataclass(slots=True)
class TextExchange(ServerExchange):
    """One call that sends a text; see `http_call.Exchange`."""

    completion: CompletionText = _NO_TEXT
    protocol: TextProtocol = "generic"

    @property
    def shape(self) -> Shape:
        """There are no messages to be shaped."""
        return Shape()

    def asked_tokens(self) -> object:
        return self.call().body.get(_LIMITS[self.protocol])

    def call(self) -> Call:
        root = root_of(self.base_url)
        path, body = {
            "llamacpp": (f"{root}/completion", self._llamacpp),
            "koboldcpp": (f"{root}/api/{self._kobold_path}", self._koboldcpp),
            "generic": (f"{self.base_url}/completions", self._generic),
        }[self.protocol]
        fields = body(effective_sampling(self.spec.sampling, self.request.sampling))
        refused = self.learnt.refused & _OPTIONAL
        sent = {
            name: value
            for name, value in fields.items()
            if value is not None and value != [] and name not in refused
        }
        limit = _LIMITS[self.protocol]
        if self.learnt.most is not None and isinstance(tokens := sent.get(limit), int):
            sent[limit] = min(tokens, self.learnt.most)
        return completed(Call(path, self.headers, sent), self.spec.options)

    @property
    def _kobold_path(self) -> str:
        return "extra/generate/stream" if self.streams else "v1/generate"

    @property
    def _stops(self) -> list[str]:
        own = effective_sampling(self.spec.sampling, self.request.sampling).stop or ()
        stops = list(dict.fromkeys((*self.completion.stop, *own)))
        return stops[:FEW_STOPS] if MANY_STOPS in self.learnt.refused else stops

    @property
    def unsent_stops(self) -> tuple[str, ...]:
        """Whoever makes the text looks for its stop strings."""
        return ()

    def _generic(self, sampling: Sampling) -> dict[str, object]:
        return {
            "model": self.spec.model,
            "prompt": self.completion.prompt,
            "stream": self.streams,
            "stream_options": {"include_usage": True} if self.streams else None,
            "max_tokens": DEFAULT_TOKENS,
            **self._parameters(sampling),
            "stop": self._stops,
        }

    def _llamacpp(self, sampling: Sampling) -> dict[str, object]:
        return {
            "prompt": self.completion.prompt,
            "stream": self.streams,
            # Without a limit llama.cpp goes on until its window is full.
            "n_predict": DEFAULT_TOKENS,
            "cache_prompt": True,
            "return_progress": True if self.streams else None,
            **self._parameters(sampling),
            "stop": self._stops,
        }

    def _koboldcpp(self, sampling: Sampling) -> dict[str, object]:
        return {
            "prompt": self.completion.prompt,
            "max_length": DEFAULT_TOKENS,
            "max_context_length": self.spec.context_tokens,
            "genkey": reply_key(self.request),
            **self._parameters(sampling),
            "stop_sequence": self._stops,
        }

    def _parameters(self, sampling: Sampling) -> dict[str, object]:
        generic = self.protocol == "generic"
        kind = kind_of(self.spec.provider, self.spec.base_url) if generic else self.protocol
        kind = "generic" if kind == "ollama" else kind  # its own names are of another protocol
        return request_fields(kind, replace(sampling, stop=None), text=True).body

    def decoder(self) -> ReplyDecoder:
        prompt = Message("user", self.completion.prompt)
        return ReplyDecoder(self.failures, (prompt,), marks(self.spec.options.thinking_marks))

    def fields(self, refusal: FieldRefusal, report: ServerReport) -> set[str]:
        """Optional fields, or more than a few stop strings."""
        if len(self._stops) > FEW_STOPS and refusal.too_many_stops():
            return {MANY_STOPS}
        sent = set(self.call().body) - set(self.spec.options.extra_body)
        return refusal.fields(_OPTIONAL & sent)

    def amend(self, status: int, body: bytes) -> bool:
        return ServerExchange.amend(self, status, body) or self._capped(status, body)

    def _capped(self, status: int, body: bytes) -> bool:
        """Whether the reply was allowed more tokens than this model takes; from now on it is not."""
        text = body[:4000].decode("utf-8", "replace").lower()
        match = TOO_MANY_TOKENS.search(text) if status in {400, 422} else None
        return self.capped_at(int(match["most"]) if match is not None else 0)

    def _reshaped(self, text: str) -> bool:
        return False


def _text_of(document: object, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
