"""Who answers in a group: what the order of a group decides by, gathered from the library.

Everything here runs within the transaction that reads a turn; the orders themselves stand in `turn_order`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from lunalux_core.groups.group_prompt import member_cards
from lunalux_core.groups.turn_order import Dice, GroupMember, LastSpoken, choose_speakers, talkativeness
from lunalux_core.library.conversations import (
    Message,
    spoken_since_the_person,
)
from lunalux_core.library.groups import Group, load_group

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection


def answering(
    connection: Connection, group_id: str, said: Message | None, speaker: str = "", *, asked: bool = False
) -> list[str]:
    """Ids of the members that answer a message: the one that is asked to, else by the group's order.

    The same message always gets the same answer to this question.

    Args:
        asked: the person has said nothing new and wants somebody to speak, whatever the order is.

    Raises:
        NotFound: MEMBER_NOT_FOUND.
    """
    group = load_group(connection, group_id)
    if speaker:
        return [group.find(speaker).character_id]
    candidates = _candidates(connection, group)
    last_spoken = _last_spoken(connection, group, candidates, said, asked)
    return choose_speakers(group.order, candidates, last_spoken, _dice(said))


def first_member(connection: Connection, group_id: str) -> str:
    """The member that stands first, muted or not; "" in a group without members."""
    group = load_group(connection, group_id)
    return group.members[0].character_id if group.members else ""


def _candidates(connection: Connection, group: Group) -> list[GroupMember]:
    return [
        GroupMember(
            member.character.id,
            tuple(dict.fromkeys((member.character.name, member.called))),
            talkativeness(_holder(member.card)),
            member.muted,
        )
        for member in member_cards(connection, group)
    ]


def _holder(card: Card) -> Mapping[str, Any]:
    """Where a card says how talkative it is: beside its extensions in the oldest files."""
    return card.extensions if "talkativeness" in card.extensions else card.document


def _last_spoken(
    connection: Connection, group: Group, members: Sequence[GroupMember], said: Message | None, asked: bool
) -> LastSpoken:
    if said is None:
        return LastSpoken(self_responses=group.self_responses)
    by_member = said.role == "assistant"
    last = next((member.names[0] for member in members if member.id == said.speaker), said.name)
    return LastSpoken(
        said="" if said.hidden else said.content,
        by_person=not (by_member or asked) and bool(said.content),
        last=last if by_member else "",
        spoken=spoken_since_the_person(connection, said),
        self_responses=group.self_responses,
    )


def _dice(said: Message | None) -> Dice:
    # Seeded by the message: a preview names the same members that answer afterwards.
    return Random(said.id if said else None).random
