"""How the conversation of a group opens: every member greets, and greetings follow each other's swipes.

Everything here runs within one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.openings import GreetingOpener, card_context, carried_state, keep_globals
from lunalux_core.groups.group_prompt import member_cards
from lunalux_core.ids import uuid4
from lunalux_core.library.characters import Character
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    children,
    create_conversation,
    insert_message,
    load_message,
    new_message,
    select_message,
)
from lunalux_core.library.groups import load_group

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection
    from lunalux_core.regex.script import RegexScript

OPENING = "opening"
"""Key in the `extra` of messages a group opens with."""


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
