"""Have a server take a model into memory, or out of it, where it does that when it is told to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput
from lunalux_core.llm.servers.facts import SILENT
from lunalux_core.llm.servers.model_list import named_row

if TYPE_CHECKING:
    from lunalux_core.llm.servers.facts import ServerFacts
    from lunalux_core.llm.servers.server_model import ServerModel

LOAD_SECONDS = 900
"""How long a model may take into memory: large ones come from slow disks."""
LOOK_SECONDS = 0.5
MOST_SILENT = 8
"""Looks in a row without any answer, after which the server is away."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is posted where, beside the API."""

    path: str
    body: dict[str, object]


async def load(server: ServerModel, facts: ServerFacts) -> None:
    """Take the model into memory; returns when it is there.

    Raises:
        InvalidInput: MODEL_NOT_LOADABLE, the server loads nothing when it is told to.
        NetworkError, ProviderError: the server cannot be reached, or refuses.
    """
    model, spec = server.spec.model, server.spec
    window = spec.context_tokens if spec.window_source == "person" else None
    order = {
        "llamacpp": Order("models/load", {"model": model}),
        "ollama": Order(
            "api/generate",
            {"model": model, "stream": False, **({"options": {"num_ctx": window}} if window else {})},
        ),
        "tabby": Order("v1/model/load", {"model_name": model, **({"max_seq_len": window} if window else {})}),
        "textgen": Order("v1/internal/model/load", {"model_name": model}),
        "generic": Order(
            "api/v1/models/load", {"model": model, **({"context_length": window} if window else {})}
        ),
    }
    await _give(server, facts, order.get(facts.kind))
    if facts.kind == "llamacpp":
        await _come(server)


async def unload(server: ServerModel, facts: ServerFacts) -> None:
    """Take the model out of memory. Raises as `load`."""
    model = server.spec.model
    order = {
        "llamacpp": Order("models/unload", {"model": model}),
        # Ollama has no command for it, but keeps a model only for the time that a request names.
        "ollama": Order("api/generate", {"model": model, "keep_alive": 0, "stream": False}),
        "tabby": Order("v1/model/unload", {}),
        "textgen": Order("v1/internal/model/unload", {}),
        "generic": Order("api/v1/models/unload", {"instance_id": model}),
    }
    await _give(server, facts, order.get(facts.kind))


async def _give(server: ServerModel, facts: ServerFacts, order: Order | None) -> None:
    if order is None or not facts.loads:
        raise InvalidInput(
            "MODEL_NOT_LOADABLE",
            f"The server of {server.spec.name} does not load or unload models when it is told to.",
            "Choose its model where the server is started; llama.cpp can be started as a router of several.",
            model=server.spec.name,
        )
    await server.tell(order.path, order.body, LOAD_SECONDS)


async def _come(server: ServerModel) -> None:
    """llama.cpp's router answers before the model is there: wait until its list says so."""
    silent, until = 0, time.monotonic() + LOAD_SECONDS
    while time.monotonic() < until:
        listed = await server.ask(f"{server.base_url}/models")
        silent = silent + 1 if listed is SILENT else 0
        if silent >= MOST_SILENT:
            raise server.unreachable()
        # No list is no news: a server that is busy with loading may answer late, or with an error.
        if listed is not SILENT and listed is not None:
            status = named_row(listed, server.spec.model).get("status")
            value = status.get("value") if isinstance(status, dict) else "loaded"
            if value == "loaded":
                return
            if isinstance(status, dict) and (status.get("failed") is True or value == "failed"):
                break
        await asyncio.sleep(LOOK_SECONDS)
    raise server.failed_to_load()
