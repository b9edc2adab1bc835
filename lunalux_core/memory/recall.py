"""Which memories a text calls for: by their keywords, and by whatever other ranking there is.

Keywords are matched as the worldbook matches its keys, so Chinese and Japanese need no blanks around them.
Rankings of any origin (`Ranker`: vectors, for one) are joined by reciprocal rank fusion.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from lunalux_core.library.memories import Memory
from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.engine.index import Index
from lunalux_core.worldbook.engine.inputs import Tools, WorldbookSettings
from lunalux_core.worldbook.engine.keys import Haystack, Matcher
from lunalux_core.worldbook.read import Entry

RANK_CONSTANT = 60
"""Of reciprocal rank fusion: how little the first places weigh more than those behind them."""
MOST_WORDS = 40
"""Words of a query that are looked for in the texts."""


_RUNS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
"""Words; runs of signs of scripts that set no blanks between words."""


class Ranker(Protocol):
    """Orders memories by closeness to texts; those that it has nothing to say about are absent."""

    @property
    def name(self) -> str:
        """What the record of a turn calls it: "keywords", "vectors"."""
        ...

    def rank(self, memories: Sequence[Memory], texts: Sequence[str]) -> Awaitable[Sequence[str]]:
        """Ids of memories, the closest first. Must not raise for a server that is away."""
        ...


class Keywords:
    """The keywords of many memories, made ready once for all turns until one of them changes."""

    def __init__(self, memories: Sequence[Memory]) -> None:
        self._memories = [one for one in memories if one.keywords]
        settings = WorldbookSettings(whole_words="auto")
        self._matcher = Matcher(settings, Tools(str, len, lambda: 0.0, lambda source, flags, text: None))
        entries = [Entry(place, keys=one.keywords) for place, one in enumerate(self._memories)]
        self._entries = entries
        self._index = Index([Candidate(at, "", one) for at, one in enumerate(entries)], self._matcher)

    def called(self, texts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The keywords that stand in any of the texts, by the id of their memory."""
        text = "\n".join(texts)
        hay = Haystack(text)
        found = {}
        for place in sorted(self._index.look(text) | self._index.always):
            entry = self._entries[place]
            keys = [key for key in entry.keys if self._matcher.matches(key, entry, hay)]
            if keys:
                found[self._memories[place].id] = keys
        return found


def by_keywords(memories: Sequence[Memory], called: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids of the memories that are called for: those with the most words first, the later ones before."""
    place = {one.id: number for number, one in enumerate(memories)}
    known = [one for one in called if one in place]
    return sorted(known, key=lambda one: (-len(called[one]), -place[one]))


def fused(rankings: Sequence[Sequence[str]]) -> list[str]:
    """One order out of several."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, identity in enumerate(ranking, 1):
            scores[identity] = scores.get(identity, 0.0) + 1 / (RANK_CONSTANT + place)
    return sorted(scores, key=lambda one: -scores[one])


def searched(memories: Sequence[Memory], query: str) -> list[Memory]:
    """Memories that a query calls for by their keywords, or that have its words; the closest first."""
    called = by_keywords(memories, Keywords(memories).called([query]))
    words = _words(query)
    counts = {one.id: _hits(one, words) for one in memories}
    worded = sorted((one.id for one in memories if counts[one.id]), key=lambda one: -counts[one])
    whole = query.strip().casefold()
    exact = [one.id for one in memories if whole and whole in f"{one.title}\n{one.text}".casefold()]
    by_id = {one.id: one for one in memories}
    return [by_id[one] for one in fused([exact, called, worded])]


def _words(query: str) -> list[str]:
    """Words of a query; of scripts without blanks between words, each pair of signs."""
    words: dict[str, None] = {}
    for run in _RUNS.findall(query):
        folded = run.casefold()
        if "\u3040" <= folded[0] <= "\ud7af":
            words.update(dict.fromkeys(folded[at : at + 2] for at in range(max(len(folded) - 1, 1))))
        elif len(folded) > 2:
            words[folded] = None
    return list(words)[:MOST_WORDS]


def _hits(memory: Memory, words: Sequence[str]) -> int:
    text = f"{memory.title}\n{memory.text}\n{' '.join(memory.keywords)}".casefold()
    return sum(word in text for word in words)
