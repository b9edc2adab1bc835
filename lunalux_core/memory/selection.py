"""Which memories go into a prompt, and why the others stay out.

Two parts. The *stable* one is the same in every turn until a memory is added or changed, so that a
provider's cache of the prompt's beginning holds: what is pinned, facts and marked messages, chapters, the
newest summaries. The *recalled* one is what the last messages call for; it changes with them and therefore
stands low in the history. Costs are the untaught estimates kept with each memory, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.library.memories import Memory
from lunalux_core.memory.recall import fused
from lunalux_core.memory.story_memory import EVENTS, STANDING_IN, StoryMemory

Why = Literal["pinned", "fact", "marked", "chapter", "summary", "journal", "recalled"]
LeftWhy = Literal[
    "budget",
    "too_long",
    "in_chapter",
    "covered",
    "not_called",
    "speaker",
    "stale",
    "failed",
    "no_room",
    "off",
]

STABLE_SHARE = 0.6
"""Of the budget, for the stable part; what it leaves and the rest is for what is recalled."""
FACT_SHARE = 0.5
"""Of the stable part at most, for facts and marked messages that are not pinned."""
PINNED_SHARE = 2.0
"""What is pinned is always in, up to so many budgets."""
MOST_NAMED = 200
"""Memories that the record names for each reason; all are counted."""


@dataclass(frozen=True, slots=True)
class UsedMemory:
    """A memory that goes into the prompt, and what for; `by` names the keywords or rankings."""

    memory: Memory
    why: Why
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of the memories. Both parts are in the order of the story.

    `left` has the reasons that are not plain from what was used (`Selection.record`); summaries of more than
    `longest` tokens are too long for any prompt and stand in for nothing.
    """

    story: StoryMemory
    stable: tuple[UsedMemory, ...] = ()
    recalled: tuple[UsedMemory, ...] = ()
    left: Mapping[LeftWhy, Sequence[str]] | None = None
    budget: int = 0
    longest: int = 0

    @property
    def used(self) -> tuple[UsedMemory, ...]:
        return (*self.stable, *self.recalled)

    def record(self, replaced: int = 0) -> dict[str, Any]:
        """For the record of a turn: every memory used and left out, with the reason."""
        names = self.story.prepared.names
        return {
            "budget": self.budget,
            "tokens": sum(used.memory.tokens for used in self.used),
            "replaced_messages": replaced,
            "used": [
                {
                    "id": used.memory.id,
                    "name": used.memory.name,
                    "kind": used.memory.kind,
                    "why": used.why,
                    "by": list(used.by),
                    "place": place,
                    "tokens": used.memory.tokens,
                }
                for place, part in (("stable", self.stable), ("recalled", self.recalled))
                for used in part
            ],
            "left_out": [
                {
                    "why": why,
                    "count": len(ids),
                    "memories": [
                        {"id": memory_id, "name": names[memory_id]} for memory_id in ids[:MOST_NAMED]
                    ],
                }
                for why, ids in self.reasons().items()
                if ids
            ],
        }

    def reasons(self) -> dict[LeftWhy, list[str]]:
        """Ids of all memories that were left out, by the reason."""
        prepared = self.story.prepared
        reasons: dict[LeftWhy, list[str]] = {"stale": list(prepared.stale), "failed": list(prepared.failed)}
        explained = {used.memory.id for used in self.used}
        for why, ids in (self.left or {}).items():
            reasons.setdefault(why, []).extend(
                memory_id for memory_id in dict.fromkeys(ids) if memory_id not in explained
            )
            explained.update(ids)
        for memory in prepared.usable:
            if memory.id in explained:
                continue
            reasons.setdefault(self._plain_reason(memory), []).append(memory.id)
        return reasons

    def _plain_reason(self, memory: Memory) -> LeftWhy:
        if not self.story.here(memory):
            return "stale"
        return "not_called" if memory.keywords or memory.kind == "journal" else "budget"


def select(
    story: StoryMemory,
    budget: int,
    *,
    speaker: Collection[str] = (),
    rankings: Sequence[tuple[str, Sequence[str]]] = (),
    reasons: Mapping[str, Sequence[str]] | None = None,
) -> Selection:
    """Fill the budget.

    Args:
        speaker: names and id of who speaks; journals of others stay out.
        rankings: what the last messages call for, each with its name, closest first.
        reasons: for a memory that is called for, the words that did it.
    """
    return _Filling(story, budget, speaker).run(rankings, reasons or {})


def nothing(story: StoryMemory, why: LeftWhy) -> Selection:
    """A selection that uses nothing, for one reason."""
    return Selection(story, left={why: [memory.id for memory in story.usable()]})


class _Filling:
    """One selection under way."""

    def __init__(self, story: StoryMemory, budget: int, speaker: Collection[str]) -> None:
        self._story = story
        self._prepared = story.prepared
        self._budget = budget
        self._speaker = {name.casefold() for name in speaker}
        self._used: dict[str, UsedMemory] = {}
        self._left: dict[LeftWhy, list[str]] = {}
        self._stable = int(budget * STABLE_SHARE)
        self._spent = 0
        self._told: set[str] = set()
        """Messages that the summaries and chapters in the prompt cover."""

    def run(
        self, rankings: Sequence[tuple[str, Sequence[str]]], reasons: Mapping[str, Sequence[str]]
    ) -> Selection:
        prepared = self._prepared
        self._take_pinned()
        self._take(
            prepared.told,
            lambda memory: "fact" if memory.kind == "fact" else "marked",
            # Facts grow with every scene and must not push the story itself out.
            int(self._stable * FACT_SHARE),
        )
        self._take(prepared.chapters, lambda _: "chapter", self._stable)
        inside = self._inside_chapters()
        # A summary inside a chapter in use is no candidate: the chapter is why it is left out.
        open_ = (memory for memory in prepared.summaries if memory.id not in inside)
        self._take(open_, lambda _: "summary", self._stable)
        self._drop_told()
        stable = self._in_order(self._used)
        recalled = self._recall(rankings, reasons)
        if left := [part for part in inside if part not in self._used and part in prepared.by_id]:
            self._left["in_chapter"] = left
        return Selection(self._story, stable, recalled, self._left, self._budget, self._stable)

    def _foreign(self, memory: Memory) -> bool:
        """Whether it is what somebody else knows."""
        own = not memory.speaker or memory.speaker.casefold() in self._speaker
        return memory.kind == "journal" and not own

    def _leave(self, memory: Memory, why: LeftWhy) -> None:
        self._left.setdefault(why, []).append(memory.id)

    def _take_pinned(self) -> None:
        most = int(self._budget * PINNED_SHARE)
        for memory in self._story.among(self._prepared.pinned):
            if self._foreign(memory):
                self._leave(memory, "speaker")
            elif self._spent + memory.tokens > most:
                self._leave(memory, "budget")
            else:
                self._spent += memory.tokens
                self._used[memory.id] = UsedMemory(memory, "pinned")

    def _take(self, newest_first: Iterable[Memory], why: Callable[[Memory], Why], most: int) -> None:
        """Take the newest up to the first that does not fit. Passed over are those that never could, and
        those whose messages another in the prompt tells of.
        """
        for memory in self._story.among(newest_first):
            if memory.kind in STANDING_IN and self._is_told(memory):
                self._leave(memory, "covered")
            elif memory.tokens > self._stable:
                self._leave(memory, "too_long")
            elif self._spent + memory.tokens > most:
                return
            else:
                self._spent += memory.tokens
                self._used[memory.id] = UsedMemory(memory, why(memory))
                if memory.kind in STANDING_IN:
                    self._told.update(self._prepared.covered.get(memory.id, ()))

    def _is_told(self, memory: Memory) -> bool:
        """Whether what is in the prompt already covers all its messages."""
        told = self._told
        if not memory.last or memory.last not in told or memory.first not in told:
            return False
        return all(message_id in told for message_id in self._prepared.covered.get(memory.id, ()))

    def _inside_chapters(self) -> dict[str, None]:
        """What the chapters in the prompt tell, so that their summaries need not."""
        chapters = [used.memory for used in self._used.values() if used.memory.kind == "chapter"]
        return {part: None for memory in chapters for part in memory.parts if part not in self._used}

    def _drop_told(self) -> None:
        """Events of messages that a summary in the prompt tells of are told twice otherwise."""
        events = [used.memory for used in self._used.values() if used.memory.made_by == EVENTS]
        if not events:
            return
        # Only now is it known what the summaries in the prompt cover.
        for event in events:
            if not event.pinned and {event.first, event.last} <= self._told:
                del self._used[event.id]
                self._spent -= event.tokens
                self._leave(event, "covered")

    def _recall(
        self, rankings: Sequence[tuple[str, Sequence[str]]], reasons: Mapping[str, Sequence[str]]
    ) -> tuple[UsedMemory, ...]:
        """What the last messages call for, and what the one who speaks wrote down last."""
        room = self._budget - self._spent
        recalled: dict[str, UsedMemory] = {}
        journals = self._prepared.journals
        own = [next(iter(self._story.among(journals.get(name, ()))), None) for name in (*self._speaker, "")]
        # A journal may be kept under the name, the nickname or the id of the speaker, or under nobody.
        newest = max(
            (memory for memory in own if memory is not None), key=lambda memory: memory.number, default=None
        )
        if newest is not None and newest.tokens <= room:
            recalled[newest.id] = UsedMemory(newest, "journal")
            room -= newest.tokens
        for identity in fused([ranking for _, ranking in rankings]):
            memory = self._prepared.by_id.get(identity)
            passed_over = memory is None or identity in self._used or identity in recalled
            if memory is None or passed_over or not self._story.here(memory):
                continue
            if self._foreign(memory):
                self._leave(memory, "speaker")
            elif memory.tokens > room:
                # Too long for any prompt says more than that there was no room in this one.
                if identity not in self._left.get("too_long", ()):
                    self._leave(memory, "budget")
            else:
                room -= memory.tokens
                by = reasons.get(identity) or [name for name, ranking in rankings if identity in ranking]
                recalled[identity] = UsedMemory(memory, "recalled", tuple(by))
        self._used.update(recalled)
        return self._in_order(recalled)

    def _in_order(self, used: Mapping[str, UsedMemory]) -> tuple[UsedMemory, ...]:
        place = self._prepared.place
        return tuple(sorted(used.values(), key=lambda used: place[used.memory.id]))
