"""Closeness of memories, passages and entries of worldbooks by the vectors of an embedding server.

Vectors are kept in the library by a key of their text, the model and their length, and made in the
background after replies; a text without one yet is found by its keywords alone. Where the server gives
vectors of another length than before, the old ones are forgotten and made anew.

Of thousands of texts the signs of their vectors' numbers are compared first, which costs next to nothing; the
vectors themselves then decide among the nearest.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

from lunalux_core.database import Connection, Database
from lunalux_core.library.vectors import load_vectors, store_vectors, text_hash
from lunalux_core.memory.embeddings import BATCH, LONGEST_TEXT, Embeddings, address_of, vectors_in
from lunalux_core.memory.story_memory import StoryMemory, T, TextsOf

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library.memories import Memory

__all__ = ["VectorRanker", "address_of", "vectors_in"]

MOST_RANKED = 50
LEAST_CLOSENESS = 0.25
WEIGHED = 400
"""Of more texts than this, so many are weighed by their vectors: those with the most signs in common."""
READ_AT_ONCE = 2000
KEPT_SIGNS = 100_000


@dataclass(frozen=True, slots=True)
class _Job:
    """Texts that have no vector yet, by what they are called, and how their words are read."""

    key_of: Mapping[str, str]
    texts_of: TextsOf


class VectorRanker:
    """Orders texts by closeness; see `memory.story_memory.Ranker`."""

    name = "vectors"

    def __init__(self, database: Database, settings: Callable[[], Settings]) -> None:
        self._database = database
        self._settings = settings
        self._embeddings = Embeddings(settings)
        self._signs: dict[str, int] = {}
        self._signs_of: tuple[str, int] = ("", 0)
        self._jobs: dict[str, _Job] = {}
        self._passed: set[str] = set()
        """Keys of texts that the server refuses."""
        self._building: asyncio.Task[None] | None = None

    async def rank(self, story: StoryMemory, texts: Sequence[str]) -> Sequence[str]:
        """Ids of the memories that are close to the last messages, the closest first."""
        if self._embeddings.resting:
            return []
        words_of = {memory.id: _words(memory) for memory in story.usable()}
        key_of = {identity: text_hash(words) for identity, words in words_of.items()}
        return await self.closest(
            "memories", key_of, texts, lambda _, ids: {identity: words_of[identity] for identity in ids}
        )

    async def closest(
        self, kind: str, key_of: Mapping[str, str], texts: Sequence[str], texts_of: TextsOf
    ) -> Sequence[str]:
        """What of these is close to the last messages, the closest first; see `story_memory.Ranker`."""
        if not key_of or (query := await self._embeddings.query(texts)) is None:
            return []
        signs = await self._signs_for(len(query), list(key_of.values()))
        by_key = {key: identity for identity, key in key_of.items()}  # the same words are asked about once
        missing = {
            identity: key for key, identity in by_key.items() if key not in signs and key not in self._passed
        }
        if missing:
            self._build_later(kind, _Job(missing, texts_of))
        near = await asyncio.to_thread(_nearest, query, key_of, signs)
        model, keys = self._settings().vectors_model, [key_of[identity] for identity in near]
        vectors = await self._database.read(lambda c: load_vectors(c, model, len(query), keys))
        for key in keys:
            if key not in vectors:  # another program has forgotten it meanwhile
                self._signs.pop(key, None)
        return await asyncio.to_thread(
            _ranked, query, {identity: key_of[identity] for identity in near}, vectors
        )

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Read of the library."""
        return await self._database.read(query)

    async def settled(self) -> None:
        """Wait until the vectors that are being made are there."""
        if self._building is not None:
            await asyncio.wait({self._building})

    async def close(self) -> None:
        """Give up what is being made; the next turn begins it again."""
        if self._building is not None and not self._building.done():
            self._building.cancel()
            await asyncio.wait({self._building})

    async def _signs_for(self, length: int, keys: Sequence[str]) -> Mapping[str, int]:
        """The signs of the vectors that are there. They are kept: thousands of vectors are read once."""
        model = self._settings().vectors_model
        # Signs of another model or length cannot be compared; what that server refused, this one may take.
        if self._signs_of != (model, length) or len(self._signs) > KEPT_SIGNS:
            self._signs, self._signs_of = {}, (model, length)
            self._passed.clear()
        signs = self._signs
        unknown = [key for key in keys if key not in signs]
        for start in range(0, len(unknown), READ_AT_ONCE):
            some = unknown[start : start + READ_AT_ONCE]
            vectors = await self._database.read(
                lambda c, some=some: load_vectors(c, model, length, some)  # type: ignore[misc]
            )
            signs.update((key, _signs(vector)) for key, vector in vectors.items())
        return signs

    def _build_later(self, kind: str, job: _Job) -> None:
        self._jobs[kind] = job
        if self._building is None or self._building.done():
            self._building = asyncio.ensure_future(self._build())

    async def _build(self) -> None:
        while self._jobs:
            job = self._jobs.pop(next(iter(self._jobs)))
            names = list(job.key_of)
            for start in range(0, len(names), BATCH):
                if not await self._build_some(job, names[start : start + BATCH]):
                    self._jobs.clear()
                    return

    async def _build_some(self, job: _Job, names: Sequence[str]) -> bool:
        """Make the vectors of some texts; False where the server gives none."""
        texts = await self._database.read(lambda c: job.texts_of(c, names))
        wordy = [name for name in names if texts.get(name, "").strip()]
        if not wordy:
            return True
        model = self._settings().vectors_model
        vectors = await self._embeddings.of([texts[name] for name in wordy])
        if not vectors:
            return False
        vector_of = {
            job.key_of[name]: vector
            for name, vector in zip(wordy, vectors, strict=True)
            if vector is not None
        }
        self._passed.update(job.key_of[name] for name in wordy if job.key_of[name] not in vector_of)
        await self._database.write(
            lambda c: store_vectors(c, model, list(vector_of), list(vector_of.values()))
        )
        return True


def _words(memory: Memory) -> str:
    return f"{memory.title}\n{memory.text}".strip()[:LONGEST_TEXT]


def _signs(vector: array[float]) -> int:
    """One bit for each number: whether it is below zero. It is the highest bit of a number's bytes."""
    raw = vector.tobytes()
    high = raw[3::4] if sys.byteorder == "little" else raw[0::4]
    return int.from_bytes(high, "little") & int.from_bytes(b"\x80" * len(high), "little")


def _nearest(query: array[float], key_of: Mapping[str, str], signs: Mapping[str, int]) -> list[str]:
    """Those that are worth being weighed."""
    there = [name for name, key in key_of.items() if key in signs]
    if len(there) <= WEIGHED:
        return there
    # Vectors that point the same way have most signs in common, and these are compared in one operation.
    own = _signs(query)
    there.sort(key=lambda name: (signs[key_of[name]] ^ own).bit_count())
    return there[:WEIGHED]


def _ranked(query: array[float], key_of: Mapping[str, str], vectors: Mapping[str, array[float]]) -> list[str]:
    closeness = {name: sum(map(mul, query, vectors[key])) for name, key in key_of.items() if key in vectors}
    close = [name for name, value in closeness.items() if value >= LEAST_CLOSENESS]
    return sorted(close, key=lambda name: -closeness[name])[:MOST_RANKED]
