"""Groups in the prompt: who is there, and whose cards stand in it.

Everything here runs within the transaction that reads a turn.

See docs/spec/design.md: One chat turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lunalux_core.dialogue.active_books import parsed_card
from lunalux_core.dialogue.assembly.prompt_material import DepthText
from lunalux_core.dialogue.turn import GroupContext
from lunalux_core.errors import NotFound
from lunalux_core.library.characters import Character, has_character, load_character
from lunalux_core.library.conversations import (
    Message,
)
from lunalux_core.library.groups import Group, load_group

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection

_JOINED = {
    "description": "Description",
    "personality": "Personality",
    "scenario": "Scenario",
    "mes_example": "Example Messages",
}
"""Fields of all members that stand together where cards are appended, and what `<FIELDNAME>` calls them; the
rest is always the speaker's."""
_FIELD_NAME = re.compile("<FIELDNAME>", re.IGNORECASE)
_CALLED = re.compile(r"\{\{\s*char\s*\}\}|<(?:char|bot)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MemberCard:
    """A member with its card."""

    character: Character
    card: Card
    muted: bool

    @property
    def called(self) -> str:
        return self.card.nickname or self.character.name


@dataclass(frozen=True, slots=True)
class GroupPrompt:
    """What a group makes of its speaker's turn: the card in use, the others' cards beside it, the cast."""

    card: Card
    beside: tuple[MemberCard, ...]
    context: GroupContext


def member_cards(connection: Connection, group: Group) -> list[MemberCard]:
    """The members in their order."""
    cards = []
    for member in group.members:
        character = load_character(connection, member.character_id)
        cards.append(MemberCard(character, parsed_card(character.document), member.muted))
    return cards


def load_speaker(connection: Connection, message: Message | None, speaker: str) -> Character:
    """The character that speaks in a group. Raises NotFound (SPEAKER_GONE)."""
    identity = message.speaker if message else speaker
    if not has_character(connection, identity):
        name = message.name if message else ""
        raise NotFound(
            "SPEAKER_GONE",
            f"{name or 'This speaker'} is not in the library any more.",
            "Let another member of the group speak, or import the character again.",
            name=name,
        )
    return load_character(connection, identity)


def group_prompt(connection: Connection, group_id: str, speaker: Character) -> GroupPrompt:
    """The company in which a speaker speaks."""
    group = load_group(connection, group_id)
    everybody = member_cards(connection, group)
    card = parsed_card(speaker.document)
    context = GroupContext(
        tuple(card.called for card in everybody), tuple(card.called for card in everybody if card.muted)
    )
    if group.cards == "swap":
        return GroupPrompt(card, (), context)
    with_muted = group.cards == "append_muted"
    heard = [card for card in everybody if with_muted or not card.muted or card.character.id == speaker.id]
    # One who left the group may be asked for another version of a reply, and then speaks with its own card.
    if all(card.character.id != speaker.id for card in heard):
        heard.append(MemberCard(speaker, card, muted=False))
    beside = tuple(card for card in heard if card.character.id != speaker.id)
    depths = tuple(
        DepthText(card.card.depth_prompt.depth, card.card.depth_prompt.role, _named(own, card.called))
        for card in beside
        if (own := card.card.depth_prompt.prompt).strip()
    )
    return GroupPrompt(_joined(card, heard, group), beside, replace(context, depths=depths))


def _joined(card: Card, heard: Sequence[MemberCard], group: Group) -> Card:
    """The speaker's card with the fields of all, each about its own `{{char}}`, between what joins them."""
    return card.with_edits(
        {
            f"data.{name}": "\n".join(
                _between(text, name, card.called, group)
                for card in heard
                if (text := getattr(card.card, name).strip())
            )
            for name in _JOINED
        }
    )


def _between(text: str, field: str, called: str, group: Group) -> str:
    if field == "mes_example" and not text.upper().startswith("<START>"):
        text = f"<START>\n{text}"  # else it would go on in the examples of the member before
    around = [
        _FIELD_NAME.sub(lambda _: _JOINED[field], join) for join in (group.join_prefix, group.join_suffix)
    ]
    return _named(f"{around[0]}{text}{around[1]}", called)


def _named(text: str, called: str) -> str:
    # A function, since a backslash in a name would be read as a reference to a group.
    return _CALLED.sub(lambda _: called, text)
