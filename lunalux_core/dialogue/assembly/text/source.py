"""The input of one text: what every part of it is made from."""

from __future__ import annotations

from dataclasses import dataclass

from lunalux_core.dialogue.assembly.prompt_material import Expand, PromptMaterial
from lunalux_core.templates.template_values import Context, Instruct, TextTemplate
from lunalux_core.templates.turn_texts import Names, TextTurn, TurnPosition, format_turn


@dataclass(frozen=True, slots=True)
class TextWishes:
    """Options of one turn beside its material.

    Args:
        start: the words that the reply begins with.
        loud: whether the character answers a quiet instruction, with its name.
        own_stops: the person's own stop strings.
        strip_examples: whether the story string contains the examples, so that they do not follow it.
        collapse: whether empty lines are removed.
        raw_length: how many messages the chat has, including hidden ones.
        user_last: whether the last of them is the person's.
    """

    start: str = ""
    loud: bool = False
    anchor_before: str = ""
    anchor_after: str = ""
    own_stops: tuple[str, ...] = ()
    single_line: bool = False
    strip_examples: bool = False
    collapse: bool = False
    card_prompts: bool = True
    card_instructions: bool = True
    force_name: bool | None = None
    raw_length: int | None = None
    user_last: bool | None = None


@dataclass(frozen=True, slots=True)
class TextSource:
    """Template, material and wishes of one text, with the names of those who talk in it."""

    template: TextTemplate
    material: PromptMaterial
    expand: Expand
    wishes: TextWishes
    names: Names

    @property
    def context(self) -> Context:
        return self.template.context

    @property
    def instruct(self) -> Instruct | None:
        return self.template.instruct

    @property
    def continues(self) -> bool:
        """Whether the reply goes on with the last turn of the history."""
        return self.material.type == "continue"

    @property
    def impersonates(self) -> bool:
        """Whether the reply is a message of the person."""
        return self.material.type == "impersonate"

    def reply_start(self) -> str:
        """The words that the reply begins with."""
        if self.impersonates or self.continues:
            return ""
        return self.expand(self.wishes.start)

    def formatted(self, turn: TextTurn, place: TurnPosition = "between") -> str:
        """A turn with its name and sequences."""
        return format_turn(turn, self.instruct, self.names, self.expand, place)
