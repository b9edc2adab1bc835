"""Example dialogues: from a card's `mes_example` to messages.

See docs/spec/formats.md: SillyTavern assembly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lunalux_core.dialogue.assembly.prompt_material import Expand, PromptMaterial

Speaker = Literal["example_user", "example_assistant"]

_START = re.compile(r"<START>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """What one side says in an example; it may have several lines."""

    speaker: Speaker
    content: str


ExampleBlock = tuple[ExampleLine, ...]
"""One example dialogue; empty if nobody is named in it."""


def example_texts(material: PromptMaterial, expand: Expand) -> list[str]:
    """The blocks of the card with the worldbook's before and after them, expanded, without `<START>`.

    Each block for the top is inserted before all others, so the last of these comes first.
    """
    blocks = split_blocks(expand(material.card.mes_example))
    for text in material.examples_top:
        blocks = [*split_blocks(expand(text)), *blocks]
    for text in material.examples_bottom:
        blocks.extend(split_blocks(expand(text)))
    return blocks


def split_blocks(text: str) -> list[str]:
    """The blocks separated by `<START>`; text before the first `<START>` is a block too."""
    text = text.replace("\r", "").strip()
    if not text or text.upper() == "<START>":
        return []
    parts = _START.split(text)
    return [part.strip() for part in (parts[1:] if _START.match(text) else parts)]


def parse_block(
    block: str, users: Sequence[str], characters: Sequence[str], group: Sequence[str] = ()
) -> ExampleBlock:
    """The messages of one block.

    A line that begins with a speaker's name and a colon begins that speaker's message; lines before the
    first such line belong to it. The name is removed once, wherever it stands in the message. In a group,
    where every member may speak, names are kept, and every change of speaker begins a new message.
    """
    user_marks = tuple(f"{name}:" for name in users if name)
    # Nickname and name both: authors write examples with either.
    character_marks = tuple(f"{name}:" for name in (*characters, *group) if name)
    messages: list[ExampleLine] = []
    speaker: Speaker | None = None
    mark = ""
    lines: list[str] = []

    def finish() -> None:
        if speaker is not None:
            text = "\n".join(lines)
            messages.append(ExampleLine(speaker, (text if group else text.replace(mark, "", 1)).strip()))
            lines.clear()

    for line in block.split("\n"):
        begins: Speaker | None = None
        if line.startswith(user_marks):
            begins = "example_user"
        elif line.startswith(character_marks):
            begins = "example_assistant"
        # A speaker may be written with nickname or name; only the one that is used here is removed.
        called = next((mark for mark in (*user_marks, *character_marks) if line.startswith(mark)), "")
        # A further line of the same side continues its message and keeps the name.
        if begins is not None and (begins != speaker or (group and called != mark)):
            finish()
            speaker = begins
            mark = called
        lines.append(line)
    finish()
    return tuple(messages)
