"""Who speaks next in a group: a pure choice over its members, with the dice given from outside.

The natural order follows SillyTavern: who is named speaks, the others by how talkative their cards say they
are, and if all would stay silent one of them is drawn. What a member is called is sought better than there:
names are words of any script, a Chinese name is found inside a sentence, and "the" in a name names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from lunalux_core.library.groups import TurnOrder

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnInput

_WORD = re.compile(r"\w+")
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member as the choice sees it: what it is called, and how readily it speaks (0 to 1)."""

    id: str
    names: tuple[str, ...]
    talkativeness: float = 0.5
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Occasion:
    """What was said last: by the person (`last` is ""), or by the member `last`."""

    said: str = ""
    last: str = ""
    self_responses: bool = False


def choose_speakers(
    order: TurnOrder, members: Sequence[Candidate], occasion: Occasion, dice: Random
) -> list[str]:
    """Ids of those who answer, in order, each once; nobody where all are muted or the order is manual."""
    able = [one for one in members if not one.muted]
    match order:
        case "manual":
            return []
        case "list":
            return [one.id for one in able]
        case "natural":
            return _natural(able, occasion, dice)


def choose_one(members: Sequence[Candidate], occasion: Occasion, dice: Random) -> str:
    """One of those who may speak, "" where all are muted; not the last speaker if there is another."""
    able = [one for one in members if not one.muted]
    pool = _willing([one for one in able if _free(one, occasion)] or able)
    return dice.choice(pool).id if pool else ""


def _natural(able: Sequence[Candidate], occasion: Occasion, dice: Random) -> list[str]:
    free = [one for one in able if _free(one, occasion)]
    places = {one.id: place for one in free if (place := mentioned_at(occasion.said, one.names)) >= 0}
    chosen = sorted(places, key=lambda identity: places[identity])
    for one in dice.sample(free, len(free)):
        if dice.random() < one.talkativeness and one.id not in places:
            chosen.append(one.id)
    if not chosen and able:
        chosen = [dice.choice(_willing(free or able)).id]
    return chosen


def _free(member: Candidate, occasion: Occasion) -> bool:
    return occasion.self_responses or member.id != occasion.last


def _willing(members: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that ever speak of themselves; all, if none does."""
    return [one for one in members if one.talkativeness > 0] or members


def mentioned_at(text: str, names: Sequence[str]) -> int:
    """Where a text first names somebody, by any word of any of the names; -1 where it does not."""
    folded = text.casefold()
    words = {found.group(): found.start() for found in reversed(list(_WORD.finditer(folded)))}
    places = []
    for part in {part for name in names for part in _calling(name)}:
        place = folded.find(part) if _CJK.search(part) else words.get(part, -1)
        if place >= 0:
            places.append(place)
    return min(places, default=-1)


def _calling(name: str) -> list[str]:
    """The words of a name that call its bearer: of "Sol the Brave", not "the"."""
    words = _WORD.findall(name)
    proper = [word for word in words if word != word.lower() or _CJK.search(word)]
    return [word.casefold() for word in proper or words]


def own_names(turn: TurnInput) -> tuple[str, ...]:
    """Names a reply may wrongly begin with: the speaker's, in a group, where a reply begins at all."""
    if turn.cast is None or turn.partial or turn.kind == "impersonate":
        return ()
    return tuple(dict.fromkeys(filter(None, (turn.character.name, turn.card.nickname))))


class NamePrefix:
    """Takes a speaker's own name off the beginning of a reply that streams in.

    A history whose lines begin with names tempts models to begin with one too.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._held is None:
            return text
        self._held += text
        begun = self._held.replace("*", "").replace("：", ":").strip()
        if any(f"{name}:".startswith(begun) for name in self._names):
            return ""
        return self.flush()

    def flush(self) -> str:
        """What was held back, at the end."""
        held, self._held = self._held, None
        return without_name(held or "", self._names)


def without_name(text: str, names: Sequence[str]) -> str:
    """The text without one of the names and its colon (maybe bold) at its beginning."""
    for name in names:
        found = (
            re.match(rf"\s*(?:\*\*)?{re.escape(name)}(?:\*\*)?\s*[:：](?:\*\*)?[ \t]*", text)
            if name
            else None
        )
        if found is not None:
            return text[found.end() :]
    return text
