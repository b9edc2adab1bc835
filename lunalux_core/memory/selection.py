"""Which memories go into a prompt, which messages they stand in for, and why the others stay out.

Two parts. The *stable* one is the same in every turn until a memory is added or changed, so that a
provider's cache of the prompt's beginning holds: what is pinned, facts and marked messages, chapters, the
newest summaries. The *recalled* one is what the last messages call for; it changes with them and therefore
stands low in the history. Costs are the untaught estimates kept with each memory, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.library.memories import PERSON, Memory
from lunalux_core.memory.recall import Keywords, fused

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
STANDING_IN = ("summary", "chapter")
"""Kinds that stand in for the messages they cover."""
EVENTS = "events"
"""In `made_by`: the lines of events that replies came with, not written by a model of its own."""
MOST_NAMED = 200
"""Memories that the record names for each reason; all are counted."""


@dataclass(frozen=True, slots=True)
class StoryMemory:
    """The memories of a conversation as one turn sees them.

    `usable` are those of this branch whose messages are as they were, in the order of the story; `unusable`
    says why for the others. `covered` has the messages, oldest first, of those that stand in for messages.
    """

    usable: tuple[Memory, ...] = ()
    unusable: Mapping[LeftWhy, Sequence[str]] = field(default_factory=dict)
    covered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keywords: Keywords | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Used:
    """A memory that goes into the prompt, and what for; `by` names the keywords or rankings."""

    memory: Memory
    why: Why
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of all memories. Both parts are in the order of the story."""

    stable: tuple[Used, ...] = ()
    recalled: tuple[Used, ...] = ()
    left: Mapping[LeftWhy, Sequence[str]] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    budget: int = 0

    @property
    def tokens(self) -> int:
        return sum(one.memory.tokens for one in (*self.stable, *self.recalled))

    def record(self, names: Mapping[str, str], replaced: int) -> dict[str, Any]:
        """For the record of a turn: every memory used and left out, with the reason."""
        return {
            "budget": self.budget,
            "tokens": self.tokens,
            "replaced_messages": replaced,
            "used": [
                {
                    "id": one.memory.id,
                    "name": one.memory.name,
                    "kind": one.memory.kind,
                    "why": one.why,
                    "by": list(one.by),
                    "place": place,
                    "tokens": one.memory.tokens,
                }
                for place, part in (("stable", self.stable), ("recalled", self.recalled))
                for one in part
            ],
            "left_out": [
                {
                    "why": why,
                    "count": len(ids),
                    "memories": [{"id": one, "name": names.get(one, "")} for one in ids[:MOST_NAMED]],
                }
                for why, ids in self.left.items()
                if ids
            ],
        }


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
    return Selection(left={**story.unusable, why: [one.id for one in story.usable]})


class _Filling:
    """One selection under way."""

    def __init__(self, story: StoryMemory, budget: int, speaker: Collection[str]) -> None:
        self._story = story
        self._budget = budget
        self._speaker = {one.casefold() for one in speaker}
        self._used: dict[str, Used] = {}
        self._left: dict[LeftWhy, list[str]] = {why: list(ids) for why, ids in story.unusable.items()}
        self._out: set[str] = set()
        self._stable = int(budget * STABLE_SHARE)
        self._spent = 0

    def run(
        self, rankings: Sequence[tuple[str, Sequence[str]]], reasons: Mapping[str, Sequence[str]]
    ) -> Selection:
        groups: dict[str, list[Memory]] = {}
        for one in self._story.usable:
            groups.setdefault("pinned" if one.pinned else one.kind, []).append(one)
        self._take_pinned([one for one in groups.get("pinned", ()) if not self._foreign(one)])
        told = [*groups.get("fact", ()), *groups.get("marked", ())]
        told.sort(key=lambda one: (one.made_by == PERSON, one.number), reverse=True)
        self._take(
            told, lambda one: "fact" if one.kind == "fact" else "marked", int(self._stable * FACT_SHARE)
        )
        self._take(groups.get("chapter", [])[::-1], lambda _: "chapter", self._stable)
        self._skip_parts()
        summaries = [one for one in groups.get("summary", ())[::-1] if one.id not in self._out]
        self._take(summaries, lambda _: "summary", self._stable, contiguous=True)
        self._drop_told()
        stable = self._in_order(self._used)
        recalled = self._recall(groups.get("journal", ()), rankings, reasons)
        self._leave_rest()
        return Selection(
            stable,
            recalled,
            {why: ids for why, ids in self._left.items() if ids},
            self._replaced(),
            self._budget,
        )

    def _foreign(self, memory: Memory) -> bool:
        """Whether it is what somebody else knows."""
        own = not memory.speaker or memory.speaker.casefold() in self._speaker
        return memory.kind == "journal" and not own

    def _leave(self, memory: Memory, why: LeftWhy) -> None:
        self._left.setdefault(why, []).append(memory.id)
        self._out.add(memory.id)

    def _take_pinned(self, pinned: Sequence[Memory]) -> None:
        spent, most = 0, int(self._budget * PINNED_SHARE)
        for one in reversed(pinned):
            if spent + one.tokens > most:
                self._leave(one, "budget")
                continue
            spent += one.tokens
            self._used[one.id] = Used(one, "pinned")
        self._spent += spent

    def _take(
        self,
        newest_first: Sequence[Memory],
        why: Callable[[Memory], Why],
        most: int,
        *,
        contiguous: bool = False,
    ) -> None:
        """Take what fits, the newest first; `contiguous` ends at the first that does not."""
        for one in newest_first:
            if one.tokens > self._stable:
                self._left.setdefault("too_long", []).append(one.id)
                continue
            if self._spent + one.tokens > most:
                if contiguous:
                    break
                continue
            self._spent += one.tokens
            self._used[one.id] = Used(one, why(one))

    def _skip_parts(self) -> None:
        """What a chapter in the prompt tells, its summaries need not."""
        chapters = [used.memory for used in self._used.values() if used.memory.kind == "chapter"]
        parts = {part for one in chapters for part in one.parts}
        for one in self._story.usable:
            if one.id in parts and one.id not in self._used:
                self._out.add(one.id)
                self._left.setdefault("in_chapter", []).append(one.id)

    def _drop_told(self) -> None:
        """Events of messages that a summary in the prompt tells of are told twice otherwise."""
        told = {
            message
            for used in self._used.values()
            if used.memory.kind in STANDING_IN
            for message in self._story.covered.get(used.memory.id, ())
        }
        for used in list(self._used.values()):
            one = used.memory
            if one.made_by == EVENTS and not one.pinned and {one.first, one.last} <= told:
                del self._used[one.id]
                self._spent -= one.tokens
                self._leave(one, "covered")

    def _recall(
        self,
        journals: Sequence[Memory],
        rankings: Sequence[tuple[str, Sequence[str]]],
        reasons: Mapping[str, Sequence[str]],
    ) -> tuple[Used, ...]:
        """What the last messages call for, and what the one who speaks wrote down last."""
        by_id = {one.id: one for one in self._story.usable}
        room = self._budget - self._spent
        found: dict[str, Used] = {}
        own = [one for one in journals if not self._foreign(one)]
        for one in own[-1:]:
            if one.tokens <= room:
                found[one.id] = Used(one, "journal")
                room -= one.tokens
        for identity in fused([ranking for _, ranking in rankings]):
            if identity not in by_id or identity in self._used or identity in found:
                continue
            one = by_id[identity]
            if one.kind == "tracker":
                continue
            if self._foreign(one):
                self._leave(one, "speaker")
                continue
            if one.tokens > room:
                self._leave(one, "budget")
                continue
            room -= one.tokens
            by = reasons.get(identity) or [name for name, ranking in rankings if identity in ranking]
            found[identity] = Used(one, "recalled", tuple(by))
            self._out.discard(identity)
            if identity in self._left.get("in_chapter", ()):
                self._left["in_chapter"].remove(identity)
        self._used.update(found)
        return self._in_order(found)

    def _leave_rest(self) -> None:
        named = {one for ids in self._left.values() for one in ids}
        for one in self._story.usable:
            if one.id in self._used or one.id in named or one.kind == "tracker":
                continue
            if self._foreign(one):
                self._leave(one, "speaker")
            elif one.keywords or one.kind == "journal":
                self._leave(one, "not_called")
            else:
                self._leave(one, "budget")

    def _replaced(self) -> frozenset[str]:
        """The messages that are told by a summary, in the prompt or called back when it is needed.

        One that is too long for any prompt stands in for nothing.
        """
        long = set(self._left.get("too_long", ()))
        usable = (one for one in self._story.usable if one.kind in STANDING_IN and one.id not in long)
        return frozenset(message for one in usable for message in self._story.covered.get(one.id, ()))

    def _in_order(self, used: Mapping[str, Used]) -> tuple[Used, ...]:
        if not used:
            return ()
        return tuple(used[one.id] for one in self._story.usable if one.id in used)
