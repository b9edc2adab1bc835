"""The texts that are always sent, and so are counted before turns are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.dialogue.assembly.text.ending import ending_after
from lunalux_core.dialogue.assembly.text.prompt_turns import STORY_SLOT, PromptTurn
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.turn_texts import TextTurn


@dataclass(frozen=True, slots=True)
class FixedTexts:
    """The texts that are always sent.

    Args:
        story: empty if the story string is one of the turns.
        examples: empty unless they are pinned.
        alignment: the person's turn that comes first if the turns that fit do not begin with the person.
        last: the text after the last turn; a line break that it may begin with is not in it.
        remembered: the memories as a turn before all others.
    """

    story: str
    examples: str
    alignment: str
    chat_start: str
    last: str
    continued: str
    remembered: str

    def by_slot(self) -> dict[str, str]:
        """The texts by the slots that an error for a prompt that is too large names."""
        return {
            STORY_SLOT: self.story,
            "dialogueExamples": self.examples,
            "chatStart": self.chat_start,
            "continued": self.continued,
            "memory": self.remembered,
            "lastLine": self.last,
        }


def fixed_texts(
    source: TextSource, story: str, examples: Sequence[str], continued: PromptTurn | None
) -> FixedTexts:
    """The fixed texts around a story string.

    Args:
        story: with what the template puts around it.
    """
    return FixedTexts(
        # One that the template places in the chat is among the turns already.
        story="" if source.context.in_chat else story,
        examples="".join(examples) if source.material.pin_examples else "",
        alignment=_alignment(source),
        chat_start=_chat_start(source),
        last=ending_after(source, "", None),
        continued=continued.text if continued else "",
        remembered=_remembered(source),
    )


def _alignment(source: TextSource) -> str:
    if source.instruct is None or not source.instruct.user_alignment_message:
        return ""
    words = source.expand(source.instruct.user_alignment_message)
    return source.formatted(TextTurn("user", words, source.names.user), "first")


def _chat_start(source: TextSource) -> str:
    start = source.context.chat_start
    return source.expand(f"{start}\n") if start else ""


def _remembered(source: TextSource) -> str:
    """The memories as a turn, where no other position is set for them."""
    memory = source.material.memory
    if memory.position != "auto" or not memory.block:
        return ""
    return source.formatted(TextTurn("system", memory.block))
