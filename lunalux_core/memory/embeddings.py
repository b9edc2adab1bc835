"""Vectors of texts from an embedding server that the person names.

A server that is away, or that answers nonsense, is left alone for a while. A text that it refuses by itself
is tried once more cut short, since some servers take no more than a page, and then passed over.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, sqrt
from operator import mul
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings

QUERY_SECONDS = 4.0
"""A turn waits so long for the vector of its last messages."""
BUILD_SECONDS = 120.0
REST_SECONDS = 60.0
"""A server that failed is left alone for so long."""
BATCH = 16
"""Texts in one request."""
LONGEST_TEXT = 6000
"""Characters of one text that are sent."""
SHORT_TEXT = 1200
LONGEST_VECTOR = 16_384
KEPT_QUERIES = 8


class Embeddings:
    """Asks the server of the settings for vectors."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._rest_until = 0.0
        self._asked: dict[tuple[str, ...], array[float]] = {}

    @property
    def resting(self) -> bool:
        """Whether there is no server, or it failed a moment ago."""
        return not self._settings().vectors_server or time.monotonic() < self._rest_until

    async def query(self, texts: Sequence[str]) -> array[float] | None:
        """The vector of the last messages, made once for all that ask in a turn; None without a server."""
        if self.resting or not any(text.strip() for text in texts):
            return None
        text = "\n".join(texts)[-LONGEST_TEXT:]
        key = (self._settings().vectors_server, self._settings().vectors_model, text)
        if key not in self._asked:
            vectors = await self._vectors([text], QUERY_SECONDS)
            if not vectors:
                self._rest_until = time.monotonic() + REST_SECONDS
                return None
            while len(self._asked) >= KEPT_QUERIES:
                del self._asked[next(iter(self._asked))]
            self._asked[key] = vectors[0]
        return self._asked[key]

    async def of(self, texts: Sequence[str]) -> list[array[float] | None]:
        """The vectors of texts; None for one that the server refuses, nothing at all where it fails."""
        if vectors := await self._vectors([text[:LONGEST_TEXT] for text in texts], BUILD_SECONDS):
            return list(vectors)
        alone: list[array[float] | None] = []
        for text in texts:
            vectors = await self._vectors([text[:LONGEST_TEXT]], BUILD_SECONDS)
            if not vectors and len(text) > SHORT_TEXT:
                vectors = await self._vectors([text[:SHORT_TEXT]], BUILD_SECONDS)
            alone.append(vectors[0] if vectors else None)
            # Two refusals may be the server's: a harmless text shows whether it answers at all.
            if len(alone) == 2 and not any(alone) and not await self._vectors(["."], QUERY_SECONDS):
                break
        if not any(alone):
            self._rest_until = time.monotonic() + REST_SECONDS
            return []
        return alone

    async def _vectors(self, texts: Sequence[str], seconds: float) -> list[array[float]]:
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
                return vectors_in(answer.json(), len(texts))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
            return []


def address_of(server: str) -> str:
    """Where embeddings are asked for: Ollama's own address, else the OpenAI-compatible one."""
    server = server.rstrip("/")
    parts = urlsplit(server)
    if parts.path.endswith(("/embeddings", "/api/embed")):
        return server
    # 11434 is the port of Ollama, which has a route of its own for this.
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
        # Servers may answer in the order in which they are ready; `index` names the text.
        data.sort(key=lambda row: row["index"] if isinstance(row.get("index"), int) else 0)
        rows = [row.get("embedding") for row in data]
    if not isinstance(rows, list) or len(rows) != number:
        return []
    vectors = [_unit(row) for row in rows]
    lengths = {len(vector) for vector in vectors}
    return vectors if len(lengths) == 1 and 0 not in lengths else []


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
