"""Which memories a text calls for: by their keywords, and by whatever other ranking there is.

Keywords are matched as the worldbook matches its keys, so Chinese and Japanese need no blanks around them.
Rankings of any origin (`story_memory.Ranker`: vectors, for one) are joined by reciprocal rank fusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lunalux_core.library.memories import Memory
from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.engine_inputs import Tools, WorldbookSettings
from lunalux_core.worldbook.engine.entry_keys import Haystack, Matcher
from lunalux_core.worldbook.engine.index import Index
from lunalux_core.worldbook.entry import Entry

RANK_CONSTANT = 60
"""Of reciprocal rank fusion: how little the first places weigh more than those after them."""
MOST_WORDS = 40
"""Words of a query that are looked for in the texts."""


class Keywords:
    """The keywords of many memories, made ready once for all turns until one of them changes."""

    def __init__(self, memories: Sequence[Memory]) -> None:
        self._memories = [memory for memory in memories if memory.keywords]
        settings = WorldbookSettings(whole_words="auto")
        self._matcher = Matcher(settings, Tools(str, len, lambda: 0.0, lambda source, flags, text: None))
        entries = [Entry(place, keys=memory.keywords) for place, memory in enumerate(self._memories)]
        self._entries = entries
        self._index = Index([Candidate(at, "", entry) for at, entry in enumerate(entries)], self._matcher)

    def called(self, texts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The keywords that stand in any of the texts, by the id of their memory."""
        text = "\n".join(texts)
        hay = Haystack(text)
        keys_of = {}
        # The index narrows thousands to those that may match; the matcher then decides as for worldbooks.
        for place in sorted(self._index.look(text) | self._index.always):
            entry = self._entries[place]
            keys = [key for key in entry.keys if self._matcher.matches(key, entry, hay)]
            if keys:
                keys_of[self._memories[place].id] = keys
        return keys_of


def by_keywords(place: Mapping[str, int], called: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids of the memories that are called for: those with the most words first, the later ones before.

    Args:
        place: where in the story each memory stands.
    """
    present = [memory_id for memory_id in called if memory_id in place]
    return sorted(present, key=lambda memory_id: (-len(called[memory_id]), -place[memory_id]))


def fused(rankings: Sequence[Sequence[str]]) -> list[str]:
    """One order out of several."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, identity in enumerate(ranking, 1):
            scores[identity] = scores.get(identity, 0.0) + 1 / (RANK_CONSTANT + place)
    return sorted(scores, key=lambda memory_id: -scores[memory_id])


def searched(memories: Sequence[Memory], query: str) -> list[Memory]:
    """Memories that a query calls for by their keywords, or that have its words; the closest first."""
    place = {memory.id: number for number, memory in enumerate(memories)}
    called = by_keywords(place, Keywords(memories).called([query]))
    words = _words(query)
    counts = {memory.id: _hits(memory, words) for memory in memories}
    worded = sorted(
        (memory.id for memory in memories if counts[memory.id]), key=lambda memory_id: -counts[memory_id]
    )
    whole = query.strip().casefold()
    exact = [
        memory.id for memory in memories if whole and whole in f"{memory.title}\n{memory.text}".casefold()
    ]
    by_id = {memory.id: memory for memory in memories}
    # The exact words count as one ranking among three, so they lead without pushing all others out.
    return [by_id[memory_id] for memory_id in fused([exact, called, worded])]


def _words(query: str) -> list[str]:
    """Words of a query; of scripts without blanks between words, each pair of signs."""
    from lunalux_core.library.bank_documents import sought_words

    return list(dict.fromkeys(sought_words(query)))[:MOST_WORDS]


def _hits(memory: Memory, words: Sequence[str]) -> int:
    text = f"{memory.title}\n{memory.text}\n{' '.join(memory.keywords)}".casefold()
    return sum(word in text for word in words)
