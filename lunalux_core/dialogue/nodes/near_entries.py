"""Entries of worldbooks that are called by closeness: those marked `vectorized`, as SillyTavern calls them.

They then fire as if a key had been said, so everything else that may keep an entry away counts for them too.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.dialogue.turn import PromptDraft
from lunalux_core.library.vectors import text_hash
from lunalux_core.memory.story_memory import Ranker
from lunalux_core.worldbook.engine.candidates import named

MOST = 5
"""Entries that are called so in one turn."""


async def near_entries(draft: PromptDraft, rankers: Sequence[Ranker]) -> frozenset[tuple[str, int | str]]:
    """(book, uid) of the entries that are closest to the last messages."""
    from lunalux_core.memory.recall import fused

    place: dict[str, tuple[str, int | str]] = {}
    words: dict[str, str] = {}
    for name, active in named(draft.request.turn.books):
        for entry in active.book.entries:
            if entry.vectorized and not entry.disabled and entry.content.strip():
                # A name of its own: uids are unique in one book only, and two books may have one name.
                identity = f"{len(place)}"
                place[identity] = (name, entry.uid)
                words[identity] = f"{entry.comment}\n{entry.content}".strip()
    if not place:
        return frozenset()
    key_of = {identity: text_hash(text) for identity, text in words.items()}
    texts = draft.last_texts()
    rankings = [
        await ranker.closest(
            "entries", key_of, texts, lambda _, ids: {identity: words[identity] for identity in ids}
        )
        for ranker in rankers
    ]
    return frozenset(place[identity] for identity in fused(rankings)[:MOST])
