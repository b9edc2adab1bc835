"""Model servers on this machine: which of the usual loopback ports answer, and with which models.

A bare connection is tried first, on all ports at once; only where something listens is HTTP spoken, so
that looking costs next to nothing on a machine without local models. Whatever listens there must answer
like a model server to be offered: those ports are popular with other programs too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import ModelSpec

CONNECT_SECONDS = 0.25
LIST_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A kind of server and its usual address. Its models are called `NAME:MODEL`."""

    name: str
    title: str
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def model(self, model: str) -> ModelSpec:
        return ModelSpec(f"{self.name}:{model}", "openai", model, self.base_url)


LOCAL_SERVERS: Mapping[str, LocalServer] = {
    server.name: server
    for server in (
        LocalServer("ollama", "Ollama", 11434),
        LocalServer("lmstudio", "LM Studio", 1234),
        LocalServer("llamacpp", "llama.cpp", 8080),
        LocalServer("vllm", "vLLM", 8000),
        LocalServer("koboldcpp", "KoboldCpp", 5001),
        LocalServer("textgen", "text-generation-webui", 5000),
        LocalServer("jan", "Jan", 1337),
    )
}


async def local_servers(servers: Sequence[LocalServer] | None = None) -> tuple[ModelSpec, ...]:
    """The models of every local server that answers, in the order of `LOCAL_SERVERS`. Never raises
    because a server is absent or strange; takes about two seconds at the very worst."""
    queried = tuple(LOCAL_SERVERS.values()) if servers is None else servers
    models = await asyncio.gather(*(_models(server) for server in queried))
    return tuple(spec for specs in models for spec in specs)


async def _models(server: LocalServer) -> tuple[ModelSpec, ...]:
    if not await _listens(server.port):
        return ()
    from lunalux_core.llm.servers.openai import OpenAIModel
    from lunalux_core.llm.servers.pool import HttpPool

    pool = HttpPool()
    try:
        names = await OpenAIModel(server.model(""), pool=pool).models(LIST_SECONDS)
    except LunaluxError:
        return ()
    finally:
        await pool.aclose()
    return tuple(server.model(name) for name in names)


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
