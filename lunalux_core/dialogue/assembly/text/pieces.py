"""The pieces of the text that are sent, in their order, and the report of what is sent and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunalux_core.dialogue.assembly.prompt import PromptMessage, PromptReport, slot_totals
from lunalux_core.dialogue.assembly.text.fitting_turns import FittingTurns, TextTokens
from lunalux_core.dialogue.assembly.text.fixed import FixedTexts
from lunalux_core.dialogue.assembly.text.prompt_turns import STORY_SLOT, PromptTurn
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.story_string import collapsed
from lunalux_core.templates.turn_texts import TextTurn


def sent_turns(
    source: TextSource, turns: Sequence[PromptTurn], fitting: FittingTurns, fixed: FixedTexts
) -> list[PromptTurn]:
    """The turns that are sent, oldest first: memories, events, the alignment turn, and what fits."""
    sent = [turn for at, turn in enumerate(turns) if at in fitting.indexes]
    if fitting.aligned:
        sent.insert(0, PromptTurn(fixed.alignment, "userAlignment", TextTurn("user", "")))
    for told in filter(None, (fitting.earlier_events, fixed.remembered)):
        sent.insert(0, PromptTurn(told, "memory", TextTurn("system", "")))
    if sent and not source.continues:
        instruct = source.instruct
        if instruct is None or (instruct.wrap and source.material.type != "quiet"):
            # As in SillyTavern: the ending of the prompt adds a line break where it needs one.
            sent[-1] = replace(sent[-1], text=sent[-1].text.removesuffix("\n"))
    return sent


@dataclass(frozen=True, slots=True)
class TextPieces:
    """The pieces that are sent, in their order; `continued` is the turn that the reply goes on with."""

    story: str
    examples: tuple[str, ...]
    chat_start: str
    turns: tuple[PromptTurn, ...]
    ending: str
    continued: PromptTurn | None

    def messages(self, tokens: TextTokens, collapse: bool) -> tuple[PromptMessage, ...]:
        """The pieces as messages, whose contents together are the text.

        Args:
            collapse: whether empty lines are removed.
        """
        pieces = [
            _message(tokens, STORY_SLOT, self.story),
            _message(tokens, "dialogueExamples", "".join(self.examples)),
            _message(tokens, "chatStart", self.chat_start),
            *(_turn_message(tokens, turn.slot, turn) for turn in self.turns),
            _message(tokens, "lastLine", self.ending),
        ]
        if self.continued is not None:
            pieces.append(_turn_message(tokens, "continued", self.continued))
        sent = tuple(piece for piece in pieces if piece.content)
        return _collapsed(sent) if collapse else sent

    def report(
        self,
        limit: int,
        sent: Sequence[PromptMessage],
        offered_turns: Sequence[PromptTurn],
        offered_examples: int,
        fitting: FittingTurns,
        omitted: int,
    ) -> PromptReport:
        """What is sent, `sent`, and how much of what was offered is not.

        Args:
            omitted: messages that were never offered.
        """
        # Compared by identity, because a message may have no id.
        there = {id(turn.own) for turn in self.turns if turn.own is not None}
        messages = [turn.own for turn in offered_turns if turn.own is not None]
        dropped = [message for message in messages if id(message) not in there]
        return PromptReport(
            budget=limit,
            total=sum(message.tokens for message in sent),
            slots=slot_totals(sent),
            history_kept=len(there) + (self.continued is not None),
            history_dropped=len(dropped) + omitted,
            dropped_ids=tuple(message.id for message in dropped if message.id),
            injections_dropped=sum(
                turn.own is None for at, turn in enumerate(offered_turns) if at not in fitting.indexes
            ),
            memory_events=fitting.events,
            examples_kept=len(self.examples),
            examples_dropped=offered_examples - len(self.examples),
        )


def _turn_message(tokens: TextTokens, slot: str, turn: PromptTurn) -> PromptMessage:
    message = _message(tokens, slot, turn.text)
    return replace(message, role=turn.turn.role, message_id=turn.own.id if turn.own else "")


def _message(tokens: TextTokens, slot: str, text: str) -> PromptMessage:
    text = text.replace("\r", "")
    return PromptMessage("system", text, None, slot, tokens.of(text))


def _collapsed(sent: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
    """The messages without empty lines; one that two messages form together is removed from the second."""
    result: list[PromptMessage] = []
    for message in sent:
        text = collapsed(message.content)
        if result and result[-1].content.endswith("\n"):
            text = text.lstrip("\n")
        if text:
            result.append(replace(message, content=text))
    return tuple(result)
