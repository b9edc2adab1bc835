"""Text completion: one text in, what a model writes on from it out.

Three protocols: llama.cpp's `/completion`, KoboldCpp's `/api/extra/generate/stream`, and `/completions` of
everything that speaks OpenAI's old protocol. Which one a server has is found out by asking it once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from weakref import WeakKeyDictionary

from lunalux_core.llm.model import CompletionText, Delta, Message, ModelRequest, ModelSpec, Sampling, Usage
from lunalux_core.llm.parameters import PARAMETERS, kind_of
from lunalux_core.llm.servers.events import read_progress, read_usage
from lunalux_core.llm.servers.facts import SILENT
from lunalux_core.llm.servers.failures import Failures
from lunalux_core.llm.servers.http import Call, stream_reply
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.llm.servers.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.servers.reports import read_report
from lunalux_core.llm.servers.request_fields import completed, request_fields
from lunalux_core.llm.servers.server import reply_key, root_of
from lunalux_core.templates.jinja import render_chat

ServerKind = Literal["llamacpp", "koboldcpp", "generic"]

DEFAULT_TOKENS = 512
FEW_STOPS = 4
"""Stop strings that every server takes; the rest are looked for here."""

_PROVIDERS: Mapping[str, ServerKind] = {"llamacpp": "llamacpp", "koboldcpp": "koboldcpp"}
_OPTIONAL = (
    "stream_options",
    "cache_prompt",
    "return_progress",
    "repeat_penalty",
    *dict.fromkeys(
        wire for parameter in PARAMETERS.values() for wire in parameter.wire.values() if "." not in wire
    ),
)
_REFUSES = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra_forbidden"
)
_STOPS_REFUSED = re.compile(
    r"\bstop\b.{0,80}(too|most|maximum|length|long|limit|items|elements|array)", re.DOTALL
)


@dataclass(slots=True)
class _ServerKnowledge:
    """What was found out about a server and model."""

    kind: ServerKind | None = None
    refused: set[str] = field(default_factory=set)
    few_stops: bool = False


_KNOWN: WeakKeyDictionary[HttpPool, dict[tuple[str, str], _ServerKnowledge]] = WeakKeyDictionary()


class TextCompletionModel(OpenAIModel):
    """A model that is given one text. A request without one goes to its chat template instead."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`."""
        if request.completion is None:
            async with aclosing(super().stream(request)) as chat:
                async for delta in chat:
                    yield delta
            return
        exchange = self._text_exchange(request, request.completion, await self.kind())
        stop = self.stopping(request, exchange.kind)
        async with stop, aclosing(stream_reply(self._pool, self._base_url, exchange)) as deltas:
            async for delta in deltas:
                if delta.finish is not None:
                    stop.pop_all()
                    delta = replace(delta, speed=await self.speed(exchange.kind))
                yield delta

    def _text_exchange(
        self, request: ModelRequest, completion: CompletionText, kind: ServerKind
    ) -> TextExchange:
        headers = {**self._headers(), **self.traced(request)}
        return TextExchange(
            self._failures, self._spec, request, completion, self._base_url, headers, self._known, kind
        )

    def call_of(self, request: ModelRequest) -> Call:
        """See `ServerModel.call_of`; one that was never asked what it is counts as any."""
        if request.completion is None:
            return super().call_of(request)
        kind = self._known.kind or _PROVIDERS.get(self._spec.provider) or "generic"
        return self._text_exchange(request, request.completion, kind).call()

    @property
    def _known(self) -> _ServerKnowledge:
        place = (self._base_url, self._spec.model)
        return _KNOWN.setdefault(self._pool, {}).setdefault(place, _ServerKnowledge())

    async def kind(self) -> ServerKind:
        """What the server is, found out once; never raises."""
        learnt = self._known
        if learnt.kind is None:
            learnt.kind = _PROVIDERS.get(str(self._spec.provider)) or await self._asked()
        return learnt.kind or "generic"

    async def _asked(self) -> ServerKind | None:
        """None where nothing answers: it may be started later."""
        version, props = await asyncio.gather(self.beside("api/extra/version"), self.beside("props"))
        if version is SILENT and props is SILENT:
            return None
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
class TextExchange:
    """One call; see `http.Exchange`."""

    failures: Failures
    spec: ModelSpec
    request: ModelRequest
    completion: CompletionText
    base_url: str
    headers: Mapping[str, str]
    known: _ServerKnowledge
    kind: ServerKind

    @property
    def waits(self) -> None:
        """Those of all calls."""
        return None

    def proved(self) -> None:
        """Nothing more is kept than what a refusal has taught."""

    def call(self) -> Call:
        path, body = {
            "llamacpp": (f"{root_of(self.base_url)}/completion", self._llamacpp),
            "koboldcpp": (f"{root_of(self.base_url)}/api/extra/generate/stream", self._koboldcpp),
            "generic": (f"{self.base_url}/completions", self._generic),
        }[self.kind]
        fields = body(effective_sampling(self.spec.sampling, self.request.sampling))
        sent = {name: value for name, value in fields.items() if value is not None and value != []}
        body_sent = {name: value for name, value in sent.items() if name not in self.known.refused}
        return completed(Call(path, self.headers, body_sent), self.spec.options)

    @property
    def _stops(self) -> list[str]:
        own = effective_sampling(self.spec.sampling, self.request.sampling).stop or ()
        stops = list(dict.fromkeys((*self.completion.stop, *own)))
        return stops[:FEW_STOPS] if self.known.few_stops else stops

    def _generic(self, sampling: Sampling) -> dict[str, object]:
        return {
            "model": self.spec.model,
            "prompt": self.completion.prompt,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": DEFAULT_TOKENS,
            **self._parameters(sampling),
            "stop": self._stops,
        }

    def _llamacpp(self, sampling: Sampling) -> dict[str, object]:
        return {
            "prompt": self.completion.prompt,
            "stream": True,
            "n_predict": DEFAULT_TOKENS,
            "cache_prompt": True,
            "return_progress": True,
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
        kind = self.kind if self.kind != "generic" else kind_of(self.spec.provider, self.spec.base_url)
        kind = "generic" if kind == "ollama" else kind  # its own names are of another protocol
        return request_fields(kind, replace(sampling, stop=None), text=True).body

    def decoder(self) -> ReplyDecoder:
        return TextDecoder(self.failures, (Message("user", self.completion.prompt),))

    def amend(self, *refusal: Any) -> bool:
        """Do without what a refusal names: an optional field, or more than a few stop strings."""
        body: bytes = refusal[-1]
        status = refusal[0] if len(refusal) > 1 else 400
        if status not in {400, 422}:
            return False
        report = read_report(body, None, {})
        text = f"{report.words} {report.message}".lower() + body[:4000].decode("utf-8", "replace").lower()
        if not self.known.few_stops and len(self.completion.stop) > FEW_STOPS and _STOPS_REFUSED.search(text):
            self.known.few_stops = True
            return True
        if not _REFUSES.search(text):
            return False
        sent = set(self.call().body) - set(self.spec.options.extra_body)
        named = {name for name in _OPTIONAL if name in sent and re.search(rf"\b{name}\b", text)}
        self.known.refused |= named
        return bool(named)


class TextDecoder(ReplyDecoder):
    """Events of all three protocols: each is told by its fields."""

    def feed(self, event: object) -> Iterator[Delta]:
        if not isinstance(event, dict):
            return
        if event.get("error"):
            raise self.failures.refusal(read_report(event, None, {}))
        self._count(event)
        if (progress := read_progress(event)) is not None:
            yield Delta(progress=progress)
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else event
        if not isinstance(choice, dict):
            return
        text = next(
            (choice[name] for name in ("text", "content", "token") if isinstance(choice.get(name), str)), ""
        )
        if text:
            yield from self._answer(text)
        self._ends(choice)

    def _ends(self, choice: Mapping[str, object]) -> None:
        if choice.get("stop") is True:  # llama.cpp's last event
            limited = choice.get("stop_type") == "limit" or choice.get("stopped_limit") is True
            self.finish = "length" if limited else "stop"
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and reason != "null":
            self.finish = "length" if reason == "length" else "stop"

    def _count(self, event: Mapping[str, object]) -> None:
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.usage = read_usage(event)
        elif "tokens_predicted" in event and event.get("stop") is True:
            timings = event.get("timings")
            cached = _number(timings, "cache_n") if isinstance(timings, dict) else 0
            read, written = _number(event, "tokens_evaluated"), _number(event, "tokens_predicted")
            self.usage = Usage(read, written, cached_tokens=cached)


def _text_of(document: object, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""


def _number(values: Mapping[str, object], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
