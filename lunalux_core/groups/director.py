"""The director of a group: a model that names who speaks next, where the group's order leaves it to one.

It is asked with the names, a line about each, and the last messages. What names nobody who may speak leaves
the choice to the natural order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lunalux_core.groups.group_prompt import member_cards
from lunalux_core.groups.turn_order import GroupMember, mentioned
from lunalux_core.library.conversations import load_conversation, load_path
from lunalux_core.library.groups import load_group
from lunalux_core.llm.model import Message
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.groups.group_prompt import MemberCard
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry

MESSAGES = 12
"""Of the chat, the last are shown to the director."""
LONGEST_LINE = 600
ABOUT = 160
"""Characters of what is said about a member."""
ANSWER_TOKENS = 400
"""Room for the name, and for a model that thinks first."""

_ASKED: Mapping[str, tuple[str, str]] = {
    "en": (
        "You direct a scene with several characters. You only decide who speaks next. Answer with one name "
        "from the list and nothing else.\n\nWho may speak:\n{members}",
        "{chat}\n\nWho speaks next? Answer with the name alone.",
    ),
    "zh": (
        "你是一场多人戏的导演，只决定下一个由谁说话。只回答名单中的一个名字，不要写别的。\n\n可以说话的人：\n{members}",
        "{chat}\n\n下一个由谁说话？只回答名字。",
    ),
}


class Director:
    """Asks who speaks next.

    Args:
        model: which model directs in a conversation; raises NotFound (MODEL_UNKNOWN).
        billed: told what the gateway said about coins.
    """

    def __init__(
        self,
        library: Library,
        models: Callable[[], Registry],
        model: Callable[[str], Awaitable[ModelSpec]],
        billed: Callable[[Mapping[str, object]], Awaitable[None]],
        language: Callable[[], str],
    ) -> None:
        self._library = library
        self._models = models
        self._model = model
        self._billed = billed
        self._language = language

    async def next_speaker(self, conversation_id: str) -> str:
        """Id of the member that is to speak; "" where the model names none of them.

        Raises:
            LunaluxError: the model cannot be asked.
        """
        from lunalux_core.chat.raw_request import raw_reply

        cards, lines = await self._library.database.read(lambda c: _scene(c, conversation_id))
        # There is nobody to choose from, and a request may cost money.
        if len(cards) < 2:
            return cards[0].character.id if cards else ""
        spec = await self._model(conversation_id)
        # It has set lines and follows no instruction.
        if spec.provider == "practice":
            return ""
        members = "\n".join(f"- {card.called}: {_about(card)}" for card in cards)
        system, user = _ASKED["zh" if self._language() == "zh" else "en"]
        messages = [
            Message("system", system.format(members=members)),
            Message("user", user.format(chat="\n".join(lines))),
        ]
        answer = await raw_reply(self._models(), spec, messages, self._billed, max_tokens=ANSWER_TOKENS)
        return named_member(answer, cards)


def named_member(answer: str, cards: Sequence[MemberCard]) -> str:
    """Id of the member that an answer names; "" where it names none.

    The whole answer counts first, then the last name in it: whoever explains a choice ends with it.
    """
    whole = clean_line(answer, LONGEST_LINE).strip(" .。!！\"'*“”「」").casefold()
    for card in cards:
        if whole and whole in (card.called.casefold(), card.character.name.casefold()):
            return card.character.id
    members = [
        GroupMember(card.character.id, tuple(dict.fromkeys((card.called, card.character.name))))
        for card in cards
    ]
    called = mentioned(answer[-LONGEST_LINE:], members)
    return called[-1] if called else ""


def _scene(connection: Connection, conversation_id: str) -> tuple[list[MemberCard], list[str]]:
    """Who may speak, and what was said last."""
    place = load_conversation(connection, conversation_id)
    cards = [
        card for card in member_cards(connection, load_group(connection, place.group_id)) if not card.muted
    ]
    said = load_path(connection, place.head_id, MESSAGES) if place.head_id else []
    lines = [
        f"{message.name}: {clean_line(message.content, LONGEST_LINE)}"
        for message in said
        if message.content.strip() and not message.hidden
    ]
    return cards, lines


def _about(card: MemberCard) -> str:
    text = card.card.personality or card.card.description
    return clean_line(text.replace("{{char}}", card.called), ABOUT)
