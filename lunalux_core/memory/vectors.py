"""Closeness of memories by vectors of an embedding server that the person names.

Vectors are kept in the library by the hash of their text, the model and their length, and made behind the
replies; a memory without one yet is found by its keywords alone. A server that is away, or that answers
nonsense, is left alone for a while. Where it gives vectors of another length than before, the old ones are
forgotten and made anew.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, sqrt
from operator import mul
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lunalux_core.database import Database
from lunalux_core.library.memories import Memory
from lunalux_core.library.vectors import load_vectors, store_vectors, text_hash
from lunalux_core.memory.story import StoryMemory

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings

QUERY_SECONDS = 4.0
"""A turn waits so long for the vector of its last messages."""
BUILD_SECONDS = 120.0
REST_SECONDS = 60.0
"""A server that failed is left alone for so long."""
BATCH = 16
LONGEST_TEXT = 6000
"""Characters of one text that are sent."""
LONGEST_VECTOR = 16_384
MOST_RANKED = 50
LEAST_CLOSENESS = 0.25


class VectorRanker:
    """Orders memories by closeness; see `memory.story.Ranker`."""

    name = "vectors"

    def __init__(self, database: Database, settings: Callable[[], Settings]) -> None:
        self._database = database
        self._settings = settings
        self._rest_until = 0.0
        self._building: asyncio.Task[None] | None = None

    async def rank(self, story: StoryMemory, texts: Sequence[str]) -> Sequence[str]:
        """Ids of the memories that are close to the last messages, the closest first."""
        memories = story.usable()
        if (
            not memories
            or not texts
            or not self._settings().vectors_server
            or time.monotonic() < self._rest_until
        ):
            return []
        query = await self._embedded(["\n".join(texts)[-LONGEST_TEXT:]], QUERY_SECONDS)
        if not query:
            return []
        hash_of = {memory.id: text_hash(_words(memory)) for memory in memories}
        model, length = self._settings().vectors_model, len(query[0])
        vectors = await self._database.read(lambda c: load_vectors(c, model, length, list(hash_of.values())))
        missing = [memory for memory in memories if hash_of[memory.id] not in vectors]
        if missing and (self._building is None or self._building.done()):
            self._building = asyncio.ensure_future(self._build(missing))
        return await asyncio.to_thread(_ranked, query[0], hash_of, vectors)

    async def settled(self) -> None:
        """Wait until the vectors that are being made are there."""
        if self._building is not None:
            await asyncio.wait({self._building})

    async def close(self) -> None:
        """Give up what is being made; the next turn begins it again."""
        if self._building is not None and not self._building.done():
            self._building.cancel()
            await asyncio.wait({self._building})

    async def _build(self, memories: Sequence[Memory]) -> None:
        model = self._settings().vectors_model
        texts = {text_hash(_words(memory)): _words(memory) for memory in memories}
        hashes = list(texts)
        for start in range(0, len(hashes), BATCH):
            some = hashes[start : start + BATCH]
            vectors = await self._embedded([texts[text_hash] for text_hash in some], BUILD_SECONDS)
            if not vectors:
                return
            await self._database.write(
                lambda c, some=some, vectors=vectors: store_vectors(c, model, some, vectors)  # type: ignore[misc]
            )

    async def _embedded(self, texts: Sequence[str], seconds: float) -> list[array[float]]:
        """A vector of length 1 for each text; none where the server is away or answers something else."""
        import os

        import httpx

        settings = self._settings()
        key = os.environ.get(settings.vectors_key_env, "") if settings.vectors_key_env else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"model": settings.vectors_model or "default", "input": list(texts)}
        try:
            async with httpx.AsyncClient(timeout=seconds) as client:
                answer = await client.post(address_of(settings.vectors_server), json=body, headers=headers)
                answer.raise_for_status()
                vectors = vectors_in(answer.json(), len(texts))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
            vectors = []
        if not vectors:
            self._rest_until = time.monotonic() + REST_SECONDS
        return vectors


def address_of(server: str) -> str:
    """Where embeddings are asked for: Ollama's own address, else the OpenAI-compatible one."""
    server = server.rstrip("/")
    parts = urlsplit(server)
    if parts.path.endswith(("/embeddings", "/api/embed")):
        return server
    if not parts.path:
        return f"{server}/api/embed" if parts.port == 11434 else f"{server}/v1/embeddings"
    return f"{server}/embeddings"


def vectors_in(document: Any, number: int) -> list[array[float]]:
    """The vectors of an answer in the order of the texts; none where it is not what was asked for."""
    if not isinstance(document, Mapping):
        return []
    rows: Any = document.get("embeddings")
    if rows is None and isinstance(document.get("data"), list):
        data = [row for row in document["data"] if isinstance(row, Mapping)]
        data.sort(key=lambda row: row["index"] if isinstance(row.get("index"), int) else 0)
        rows = [row.get("embedding") for row in data]
    if not isinstance(rows, list) or len(rows) != number:
        return []
    vectors = [_unit(row) for row in rows]
    lengths = {len(vector) for vector in vectors}
    return vectors if len(lengths) == 1 and 0 not in lengths else []


def _words(memory: Memory) -> str:
    return f"{memory.title}\n{memory.text}".strip()[:LONGEST_TEXT]


def _unit(row: Any) -> array[float]:
    """A row of numbers scaled to the length 1; empty where it is none."""
    if not isinstance(row, list) or not 0 < len(row) <= LONGEST_VECTOR:
        return array("f")
    try:
        numbers = array("d", row)
    except (TypeError, OverflowError):
        return array("f")
    size = sqrt(sum(map(mul, numbers, numbers)))  # not finite where one of them is not
    return array("f", (number / size for number in numbers)) if size and isfinite(size) else array("f")


def _ranked(
    query: array[float], hash_of: Mapping[str, str], vectors: Mapping[str, array[float]]
) -> list[str]:
    closeness = {
        memory_id: sum(map(mul, query, vectors[text_hash]))
        for memory_id, text_hash in hash_of.items()
        if text_hash in vectors
    }
    close = [memory_id for memory_id, value in closeness.items() if value >= LEAST_CLOSENESS]
    return sorted(close, key=lambda memory_id: -closeness[memory_id])[:MOST_RANKED]
