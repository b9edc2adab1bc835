"""Model servers on this machine: which of the usual loopback ports answer, and which programs of this person
listen elsewhere and answer like one; with their models, windows and sizes.

A bare connection is tried first, on all ports at once; only where something listens is HTTP spoken, so
that looking costs next to nothing on a machine without local models. Whatever listens there must answer
like a model server to be offered: those ports are popular with other programs too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lunalux_core.documents.coerce import is_integer
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import ModelSpec
from lunalux_core.llm.servers.listeners import Listener, listeners, provider_of

FIND_LISTENERS = "LUNALUX_FIND_LISTENERS"
"""Environment variable: with 0 only the usual ports are asked, and no other program of this person."""

CONNECT_SECONDS = 0.25
LIST_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A kind of server and its address. Its models are called `NAME:MODEL`, on another port than the usual
    one `NAME@PORT:MODEL`."""

    name: str
    title: str
    port: int
    usual: bool = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def on(self, port: int) -> LocalServer:
        """The same kind on another port."""
        return self if port == self.port else replace(self, port=port, usual=False)

    def model(self, model: str) -> ModelSpec:
        called = self.name if self.usual else f"{self.name}@{self.port}"
        return ModelSpec(f"{called}:{model}", provider_of(self.name), model, self.base_url)


LOCAL_SERVERS: Mapping[str, LocalServer] = {
    server.name: server
    for server in (
        LocalServer("ollama", "Ollama", 11434),
        LocalServer("lmstudio", "LM Studio", 1234),
        LocalServer("llamacpp", "llama.cpp", 8080),
        LocalServer("vllm", "vLLM", 8000),
        LocalServer("koboldcpp", "KoboldCpp", 5001),
        LocalServer("textgen", "text-generation-webui", 5000),
        LocalServer("tabby", "TabbyAPI", 5000),
        LocalServer("jan", "Jan", 1337),
        LocalServer("local", "OpenAI-compatible", 8001),
    )
}
_ASKED = tuple(server for name, server in LOCAL_SERVERS.items() if name not in {"tabby", "local"})
"""The usual ports that are asked; 5000 is of two kinds."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of a server on this machine. `size` is in bytes, 0 where the server does not say; the window is
    the spec's, where its source is the server."""

    spec: ModelSpec
    title: str
    size: int = 0


async def local_servers(servers: Sequence[LocalServer] | None = None) -> tuple[ModelSpec, ...]:
    """The models that `found_models` finds."""
    return tuple(model.spec for model in await found_models(servers))


async def found_models(servers: Sequence[LocalServer] | None = None) -> tuple[FoundModel, ...]:
    """The models of every local server that answers, in the order of `LOCAL_SERVERS`, then of the programs
    that listen elsewhere. Never raises because a server is absent or strange; takes a few seconds at worst.

    Args:
        servers: ask these only.
    """
    asked = list(_ASKED if servers is None else servers)
    if servers is None and os.environ.get(FIND_LISTENERS) != "0":
        usual = {server.port for server in asked}
        for listener in await asyncio.to_thread(listeners):
            if listener.port not in usual:
                asked.append(_server_of(listener))
    by_server = await asyncio.gather(*(_models(server) for server in asked))
    return tuple(model for models in by_server for model in models)


def _server_of(listener: Listener) -> LocalServer:
    return LOCAL_SERVERS.get(listener.name, LOCAL_SERVERS["local"]).on(listener.port)


async def _models(server: LocalServer) -> tuple[FoundModel, ...]:
    if not await _listens(server.port):
        return ()
    from lunalux_core.llm.servers.openai import OpenAIModel
    from lunalux_core.llm.servers.pool import HttpPool

    pool = HttpPool()
    try:
        opened = OpenAIModel(server.model(""), pool=pool)
        names = await opened.models(LIST_SECONDS)
        async with asyncio.timeout(2 * LIST_SECONDS):
            return await _described(server, names, pool)
    except (LunaluxError, TimeoutError):
        return ()
    finally:
        await pool.aclose()


async def _described(server: LocalServer, names: Sequence[str], pool: Any) -> tuple[FoundModel, ...]:
    """The models with what the server says of them; which kind it is, its answers tell better."""
    from lunalux_core.llm.servers.model_list import row_name, rows_of
    from lunalux_core.llm.servers.openai import OpenAIModel
    from lunalux_core.llm.servers.recognition import recognised

    # As a server of no particular kind, so that its answers decide what it is.
    first = OpenAIModel(replace(server.model(names[0] if names else ""), provider="openai"), pool=pool)
    facts = await recognised(first)
    if facts is not None and facts.kind in LOCAL_SERVERS and facts.kind != server.name:
        server = LOCAL_SERVERS[facts.kind].on(server.port)
    title = (facts.title if facts is not None else "") or server.title
    rows = {row_name(row): row for row in rows_of(await first.ask(f"{first.base_url}/models"))}
    sizes = {name: _size(rows.get(name, {})) for name in names}
    if server.name == "ollama":
        sizes |= {row_name(row): _size(row) for row in rows_of(await first.beside("api/tags"))}
    described = []
    for name in names:
        spec = server.model(name)
        # The server was asked about its first model, and others may have another window.
        if facts is not None and facts.window and name == names[0]:
            spec = replace(spec, context_tokens=facts.window, window_source="server")
        described.append(FoundModel(spec, title, sizes.get(name, 0)))
    return tuple(described)


def _size(row: Mapping[str, Any]) -> int:
    meta = row.get("meta")
    size = meta.get("size") if isinstance(meta, dict) else row.get("size")
    return size if is_integer(size) and size > 0 else 0


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
