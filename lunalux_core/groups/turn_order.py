"""Who speaks next in a group: a pure choice over its members, with the dice given from outside.

All orders follow SillyTavern 1.19, so that a group moved here goes on as it did there. Natural: who is named
speaks, the others by how talkative their cards say they are, and if all would stay silent one of them is
drawn. Pooled: one of those who have not spoken since the person. A mention is one ASCII word of a name. One
rule is ours: a name without ASCII words (Chinese, Japanese, Cyrillic, …) is mentioned by the whole name,
because there it could never be mentioned at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lunalux_core.documents.coerce import as_number
from lunalux_core.library.groups import TurnOrder

_WORD = re.compile(r"[A-Za-z0-9_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts whose words stand without spaces, or with endings glued to them."""

Dice = Callable[[], float]
"""Numbers from 0 up to, but not including, 1."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member as the choice sees it: its names, the card's first, and how readily it speaks (0 to 1)."""

    id: str
    names: tuple[str, ...]
    talkativeness: float = 0.5
    muted: bool = False


@dataclass(frozen=True, slots=True)
class LastSpoken:
    """What a turn answers.

    Attributes:
        said: the text in which members may be named: the person's new words, else the last message.
        by_person: the person has just said it. Blanks count, too; an empty text does not.
        last: name of the member whose message is the last one, hidden or not; "" where it is the person's.
        spoken: ids of those who have spoken since the person, the latest first.
        self_responses: whether the one who spoke last may be the next.
    """

    said: str = ""
    by_person: bool = False
    last: str = ""
    spoken: tuple[str, ...] = ()
    self_responses: bool = False


def talkativeness(holder: Mapping[str, Any]) -> float:
    """How readily a member speaks by the field of that name, as SillyTavern reads it for this choice.

    0.5 where it is missing or no number; 0 where it is null or empty, unlike in a card that is only shown.
    """
    raw = holder.get("talkativeness", 0.5)
    if isinstance(raw, bool) or raw is None or raw == "":
        return float(bool(raw))
    return min(max(as_number(raw, 0.5), 0.0), 1.0)


def choose_speakers(
    order: TurnOrder, members: Sequence[GroupMember], last_spoken: LastSpoken, dice: Dice
) -> list[str]:
    """Ids of those who answer, in order, each once.

    Nobody where all are muted, and in the manual order where the person has said something; unasked, that
    order draws one. A director's order is the natural one where the director names nobody.
    """
    able = [member for member in members if not member.muted]
    match order:
        case "list":
            return [member.id for member in able]
        case "manual":
            return [] if last_spoken.by_person else [member.id for member in shuffled(able, dice)[:1]]
        case "pooled":
            return _pooled(able, last_spoken, dice)
        case "natural" | "director":
            return _natural(able, last_spoken, dice)


def _natural(able: Sequence[GroupMember], last_spoken: LastSpoken, dice: Dice) -> list[str]:
    barred = "" if last_spoken.by_person or last_spoken.self_responses else last_spoken.last
    free = [member for member in able if member.names[0] != barred]
    chosen = mentioned(last_spoken.said, free)
    willing = []
    # The one who may not speak is shuffled with the others, as in SillyTavern: the dice fall the same.
    for member in shuffled(able, dice):
        if member not in free:
            continue
        if member.talkativeness >= dice():
            chosen.append(member.id)
        if member.talkativeness > 0:
            willing.append(member)
    # Where every card is silent even the one who spoke last may be drawn.
    if not chosen and (pool := willing or able):
        chosen = [_drawn(pool, dice).id]
    return list(dict.fromkeys(chosen))


def _pooled(able: Sequence[GroupMember], last_spoken: LastSpoken, dice: Dice) -> list[str]:
    spoken = () if last_spoken.by_person else last_spoken.spoken
    pool = [member for member in able if member.id not in spoken]
    if not pool and len(able) > 1:
        # All have spoken, so `spoken` has somebody: anybody but the latest.
        pool = [member for member in able if member.id != spoken[0]]
    pool = pool or list(able)
    return [_drawn(pool, dice).id] if pool else []


def _drawn(pool: Sequence[_T], dice: Dice) -> _T:
    return pool[int(dice() * len(pool))]


def shuffled(members: Sequence[_T], dice: Dice) -> list[_T]:
    """Another order: for each place from the last down, one draw says who of those before it comes there."""
    mixed = list(members)
    for place in range(len(mixed) - 1, -1, -1):
        other = int(dice() * (place + 1))
        mixed[place], mixed[other] = mixed[other], mixed[place]
    return mixed


def mentioned(text: str, members: Sequence[GroupMember]) -> list[str]:
    """Ids of those whom a text names, in its order; a word calls the first member that bears it."""
    folded = text.casefold()
    calls: list[tuple[int, str]] = []
    bearers: dict[str, str] = {}
    for member in members:
        for name in member.names:
            words = _WORD.findall(name.lower())
            for word in words:
                bearers.setdefault(word, member.id)
            if not words and (place := _whole_name_at(folded, name.strip().casefold())) >= 0:
                calls.append((place, member.id))
    calls += [
        (match.start(), bearers[match.group()])
        for match in _WORD.finditer(text.lower())
        if match.group() in bearers
    ]
    return list(dict.fromkeys(identity for _, identity in sorted(calls, key=lambda call: call[0])))


def _whole_name_at(text: str, name: str) -> int:
    """Where a text holds a name; between words where its script parts them, anywhere where it does not."""
    if not name or _UNSPACED.search(name):
        return text.find(name) if name else -1
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return match.start() if match else -1
