"""Exact counts of tokens, from the server's own tokenizer: asked for beside everything else, kept by text.

A prompt is put together many times, from texts that hardly change. What the server has counted once is known
from then on; what it has not is estimated, noted, and counted before the next turn. Nobody ever waits for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lunalux_core.llm.parameters import ServerKind
from lunalux_core.llm.servers.facts import whole
from lunalux_core.llm.tokens import PER_MESSAGE, TokenEstimator

if TYPE_CHECKING:
    from lunalux_core.llm.servers.server import ServerModel

MOST_KNOWN = 200_000
MOST_NOTED = 8_000
MOST_CHARS = 24_000
"""Of a text that is counted; longer ones are whole prompts, which are other ones every turn."""
ENOUGH = 500
"""Tokens from which on what was counted tells how dense other texts are."""
MOST_PAID = 24
"""Texts that a service which is paid for, and limits requests, is asked for after one turn."""
AT_ONCE = 2
MOST_FRAME = 24
_PAID = frozenset({"anthropic", "gemini"})

_Key = tuple[int, int]


@dataclass(slots=True)
class TokenCounts:
    """What one tokenizer has counted. `frame` is what a message costs beside its text; `counted` are the
    tokens of all texts together, and `estimated` what an estimate says of them."""

    frame: float = PER_MESSAGE
    counted: int = 0
    estimated: int = 0
    known: dict[_Key, int] = field(default_factory=dict)
    noted: dict[_Key, str] = field(default_factory=dict)

    def of(self, text: str) -> int | None:
        """The tokens of a text; one that nobody has counted is noted."""
        key = (hash(text), len(text))
        found = self.known.get(key)
        if found is None and len(self.noted) < MOST_NOTED and len(text) <= MOST_CHARS:
            self.noted[key] = text
        return found

    def keep(self, text: str, tokens: int) -> None:
        if len(self.known) >= MOST_KNOWN:
            for key in list(self.known)[: MOST_KNOWN // 4]:
                del self.known[key]
        self.known[(hash(text), len(text))] = tokens
        self.counted += tokens
        self.estimated += TokenEstimator().text(text)

    def ratio(self) -> float | None:
        """Tokens to estimated ones, None while too little is known."""
        return self.counted / self.estimated if self.estimated >= ENOUGH else None

    def learn_frame(self, texts: list[str], reported: int) -> None:
        """A server told the tokens of a whole prompt: where all its texts are known, the rest is frames."""
        tokens = [self.known.get((hash(text), len(text))) for text in texts]
        exact = [count for count in tokens if count is not None]
        if texts and len(exact) == len(texts):
            self.frame = min(max((reported - sum(exact)) / len(texts), 0), MOST_FRAME)


@dataclass(frozen=True, slots=True)
class KnownTokens:
    """Counts like a `TokenEstimator`, exactly where the server has counted."""

    estimate: TokenEstimator
    counts: TokenCounts

    def text(self, text: str) -> int:
        if not text:
            return 0
        found = self.counts.of(text)
        if found is not None:
            return found
        ratio = self.counts.ratio()
        return self.estimate.text(text) if ratio is None else math.ceil(TokenEstimator().text(text) * ratio)

    def message(self, content: str) -> int:
        return self.text(content) + math.ceil(self.counts.frame)


async def count_noted(server: ServerModel, kind: ServerKind, counts: TokenCounts) -> None:
    """Have the server count what was noted; it stops where the server stops answering."""
    ask = _ASK.get(kind)
    if ask is None:
        counts.noted.clear()
        return
    texts = list(counts.noted.values())
    counts.noted.clear()
    if kind in _PAID:
        texts = sorted(texts, key=len, reverse=True)[:MOST_PAID]
    base = await ask(server, "x") if kind == "anthropic" else 0
    if base is None:
        return
    extra = max(base - 1, 0)  # of the request around the text
    places = iter(texts)

    async def work() -> None:
        for text in places:
            tokens = await ask(server, text)
            if tokens is None:
                return
            counts.keep(text, max(tokens - extra, 0))
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


# -- each kind ---------------------------------------------------------------------------------------


async def _llamacpp(server: ServerModel, text: str) -> int | None:
    body = {"content": text, "add_special": False, "model": server.spec.model}
    found = _field(await server.beside("tokenize", body), "tokens")
    return len(found) if isinstance(found, list) else None


async def _koboldcpp(server: ServerModel, text: str) -> int | None:
    return _count(await server.beside("api/extra/tokencount", {"prompt": text, "special": False}), "value")


async def _tabby(server: ServerModel, text: str) -> int | None:
    body = {"text": text, "add_bos_token": False}
    return _count(await server.ask(f"{server.base_url}/token/encode", body), "length")


async def _textgen(server: ServerModel, text: str) -> int | None:
    return _count(await server.ask(f"{server.base_url}/internal/token-count", {"text": text}), "length")


async def _vllm(server: ServerModel, text: str) -> int | None:
    body = {"model": server.spec.model, "prompt": text, "add_special_tokens": False}
    return _count(await server.beside("tokenize", body), "count")


async def _anthropic(server: ServerModel, text: str) -> int | None:
    if not text.strip():
        return 0
    body = {"model": server.spec.model, "messages": [{"role": "user", "content": text}]}
    return _count(await server.ask(f"{server.base_url}/messages/count_tokens", body), "input_tokens")


async def _gemini(server: ServerModel, text: str) -> int | None:
    model = quote(server.spec.model.removeprefix("models/"), safe="")
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    return _count(await server.ask(f"{server.base_url}/models/{model}:countTokens", body), "totalTokens")


_ASK: Mapping[str, Callable[[Any, str], Any]] = {
    "llamacpp": _llamacpp,
    "koboldcpp": _koboldcpp,
    "tabby": _tabby,
    "textgen": _textgen,
    "vllm": _vllm,
    "anthropic": _anthropic,
    "gemini": _gemini,
}


def _field(document: object, name: str) -> object:
    return document.get(name) if isinstance(document, dict) else None


def _count(document: object, name: str) -> int | None:
    found = _field(document, name)
    return 0 if found == 0 and not isinstance(found, bool) else whole(found)
