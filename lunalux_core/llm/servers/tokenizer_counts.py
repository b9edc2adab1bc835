"""Exact counts of tokens, from the server's own tokenizer: asked for beside everything else, kept by text.

A prompt is put together many times, from texts that hardly change. What the server has counted once is known
from then on; what it has not is estimated, noted, and counted before the next turn. Nobody ever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lunalux_core.llm.parameters import ServerKind
from lunalux_core.llm.servers.facts import whole
from lunalux_core.llm.token_counts import TokenCounts

if TYPE_CHECKING:
    from lunalux_core.llm.servers.server_model import ServerModel

MOST_PAID = 24
"""Texts that a service which is paid for, and limits requests, is asked for after one turn."""
AT_ONCE = 2
_PAID = frozenset({"anthropic", "gemini"})


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
    tokens = _field(await server.beside("tokenize", body), "tokens")
    return len(tokens) if isinstance(tokens, list) else None


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
    count = _field(document, name)
    return 0 if count == 0 and not isinstance(count, bool) else whole(count)
