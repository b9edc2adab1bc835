"""All turns as text: the messages of the history, and the texts that stand between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunalux_core.dialogue.assembly.injections import Injection, inject, joined, material_injections
from lunalux_core.dialogue.assembly.prompt_material import HistoryMessage
from lunalux_core.dialogue.assembly.text.card_texts import post_history
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.template_values import ROLES
from lunalux_core.templates.turn_texts import TextTurn, TurnPosition, open_turn

STORY_SLOT = "storyString"


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """A turn in its place in the prompt, with its `text` as the template formats it.

    Args:
        own: the message it comes from, None for texts put between messages.
    """

    text: str
    slot: str
    turn: TextTurn
    own: HistoryMessage | None = None

    @property
    def injected(self) -> bool:
        """Whether it is a text at a depth."""
        return self.own is None and self.slot not in ("postHistory", "chatHistory")


def text_turns(source: TextSource, story: str) -> list[PromptTurn]:
    """All turns, oldest first; a turn to continue is the last, without its end sequence.

    Args:
        story: the story string, which is one of the turns if the template places it among them.
    """
    turns = _in_order(source, story)
    last_user = max((at for at, turn in enumerate(turns) if turn.turn.role == "user"), default=-1)
    formatted = []
    for at, turn in enumerate(turns):
        if source.continues and at == len(turns) - 1:
            text = open_turn(turn.turn, source.instruct, source.names, source.expand)
        else:
            is_last = at == last_user and not source.impersonates
            place: TurnPosition = "last" if is_last else "first" if at == 0 else "between"
            text = source.formatted(turn.turn, place)
        formatted.append(replace(turn, text=text))
    return formatted or [PromptTurn("", "chatHistory", TextTurn("assistant", ""))]


def _in_order(source: TextSource, story: str) -> list[PromptTurn]:
    """The turns in their order, not formatted yet: their `text` is empty."""
    material = source.material
    history = [message for message in material.history if not message.hidden]
    begins = bool(material.history) and not (material.omitted or material.replaced)
    spoken = [_message(source, message, begins and message is material.history[0]) for message in history]
    injections: Sequence[Injection] = joined((), _injections(source, story))
    if source.continues:  # nothing may follow the turn to continue
        injections = [replace(injection, depth=max(injection.depth, 1)) for injection in injections]
    turns = [
        _injected(source, entry) if isinstance(entry, Injection) else entry
        for entry in inject(spoken, injections)
    ]
    if after := post_history(source):
        # Before the turn to continue, which must stay the last.
        place = max(len(turns) - 1, 0) if source.continues else len(turns)
        turns.insert(place, PromptTurn("", "postHistory", TextTurn("user", after)))
    return turns


def _message(source: TextSource, message: HistoryMessage, first: bool) -> PromptTurn:
    """A message as a turn. Macros are expanded only in the first of a chat, which is the greeting."""
    text = source.expand(message.content) if first else message.content
    return PromptTurn("", "chatHistory", TextTurn(message.role, text, message.name, message.foreign), message)


def _injections(source: TextSource, story: str) -> list[Injection]:
    """Texts at a depth, with the story string, if it is one of them, before those of the worldbook."""
    injections = material_injections(source.material, source.expand)
    context = source.context
    if context.in_chat and story.strip():
        role = ROLES[context.story_string_role]
        own = Injection(context.story_string_depth, role, story, slot=STORY_SLOT)
        place = next(
            (at for at, injection in enumerate(injections) if injection.slot == "worldInfoDepth"),
            len(injections),
        )
        injections.insert(place, own)
    return injections


def _injected(source: TextSource, injection: Injection) -> PromptTurn:
    name = {"user": source.names.user, "assistant": source.names.char}.get(injection.role, "")
    return PromptTurn("", injection.slot, TextTurn(injection.role, injection.content, name))
