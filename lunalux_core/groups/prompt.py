"""Groups as a turn needs them: who is there, whose cards are in the prompt, who answers, how a group opens.

Everything here runs within the transaction that reads a turn.

See docs/spec/design.md: One chat turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.active_books import parsed_card
from lunalux_core.dialogue.assembly.material import DepthText
from lunalux_core.dialogue.openings import GreetingOpener, card_context, carried_state, keep_globals
from lunalux_core.dialogue.turn import GroupContext
from lunalux_core.errors import NotFound
from lunalux_core.groups.turn_order import Dice, GroupMember, LastSpoken, choose_speakers, talkativeness
from lunalux_core.ids import uuid4
from lunalux_core.library.characters import Character, has_character, load_character
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    children,
    create_conversation,
    insert_message,
    load_message,
    new_message,
    select_message,
    spoken_since_the_person,
)
from lunalux_core.library.groups import Group, load_group

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection
    from lunalux_core.regex.script import RegexScript

OPENING = "opening"
"""Key in the `extra` of messages a group opens with."""

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


# -- who answers ---------------------------------------------------------------------------------------


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


# -- how a group opens ---------------------------------------------------------------------------------


def begin_group(
    connection: Connection,
    group_id: str,
    title: str,
    opener: GreetingOpener,
    scripts: Callable[[Conversation, Character, Card], Sequence[RegexScript]],
    **about: Any,
) -> Conversation:
    """A new conversation of a group: every member that is not muted opens with a greeting.

    Greetings that a card keeps for groups (`group_only_greetings`) come before its ordinary ones; the first
    is shown, the others are swipes of it. Each begins where the one shown above it left the variables.

    Args:
        scripts: those in force for a member.
        about: fields of `MacroContext` that are the same for all.
    """
    group = load_group(connection, group_id)
    conversation = create_conversation(connection, "", title, group_id=group_id)
    everybody = member_cards(connection, group)
    called = tuple(card.called for card in everybody)
    muted = tuple(card.called for card in everybody if card.muted)
    first: Message | None = None
    state: Mapping[str, Any] = {}
    for card in everybody:
        greetings = [text for text in (*card.card.group_only_greetings, *card.card.greetings) if text.strip()]
        if card.muted or not greetings:
            continue
        context = card_context(
            card.card, card.character.name, group=called, muted=muted, chat_id=conversation.id, **about
        )
        opened = opener.open(greetings, context, scripts(conversation, card.character, card.card), state)
        messages = [
            new_message(
                conversation.id,
                first,
                "assistant",
                card.character.name,
                each.text,
                raw=each.raw,
                speaker=card.character.id,
                state=each.state,
                extra={OPENING: True},
            )
            for each in opened
        ]
        for message in messages:
            insert_message(connection, message)
        keep_globals(connection, opened[0])
        # Global variables that one greeting sets are there for the next member's.
        opener = replace(opener, global_variables=opened[0].global_variables or opener.global_variables)
        first, state = messages[0], messages[0].state or state
    if first is not None:
        select_message(connection, first.id)
    return conversation


def carry_openings(connection: Connection, left: Message, chosen: Message) -> None:
    """After a swipe from one opening to another: the others' openings that followed come along.

    Nothing is carried once somebody has said more than that, or where the chosen one was carried to before.
    """
    source, target = left, chosen
    copies: list[Message] = []
    before: dict[str, Mapping[str, Any]] = {}
    if not (left.extra.get(OPENING) and chosen.extra.get(OPENING)) or chosen.selected_child:
        return
    while source.selected_child:
        below = children(connection, source.conversation_id, source.id)
        followers = [load_message(connection, identity) for identity in below]
        if not all(follower.extra.get(OPENING) for follower in followers):
            return
        was, now = before.get(source.id, source.state), before.get(target.id, target.state)
        twins = {
            follower.id: replace(
                follower,
                id=uuid4(),
                parent_id=target.id,
                selected_child="",
                state=carried_state(follower.state, was, now),
            )
            for follower in followers
        }
        copies += twins.values()
        for follower in followers:  # what sets nothing leaves the state as it is above
            before[follower.id] = follower.state or was
            before[twins[follower.id].id] = twins[follower.id].state or now
        source, target = load_message(connection, source.selected_child), twins[source.selected_child]
    for copy in copies:
        insert_message(connection, copy)
    if copies:
        select_message(connection, target.id)
