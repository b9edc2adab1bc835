"""The texts of the card and the prompts that a card can replace, as they are sent, and the story string in
which they stand before the examples and turns.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt_material import NotePosition
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.story_string import collapsed, render_story
from lunalux_core.templates.turn_texts import split_examples


def card_field(source: TextSource, text: str) -> str:
    """A field of a card without carriage returns, stripped and expanded."""
    return _expanded(source, text.replace("\r", "").strip())


def system_prompt(source: TextSource) -> str:
    """The template's system prompt, or the card's instead.

    With an instruct template it is expanded once more, so that macros in an inserted original are expanded
    too.
    """
    sysprompt = source.template.sysprompt
    if sysprompt is None:
        return ""
    card = source.material.card.system_prompt
    text = _card_or_template(source, card, sysprompt.content, source.wishes.card_prompts)
    return source.expand(text) if source.instruct is not None else text


def post_history(source: TextSource) -> str:
    """The template's instruction after the history, or the card's instead."""
    sysprompt = source.template.sysprompt
    if sysprompt is None:
        return ""
    card = source.material.card.post_history_instructions
    return _card_or_template(source, card, sysprompt.post_history, source.wishes.card_instructions)


def _card_or_template(source: TextSource, card: str, original: str, wanted: bool) -> str:
    """The card's own text instead of the template's; `{{original}}` inserts that, not expanded."""
    own = card.replace("\r", "").strip() if wanted else ""
    if not own:
        return _expanded(source, original)
    return expand_around(own, source.expand, {"original": original}, once=True)


def _expanded(source: TextSource, text: str) -> str:
    expanded = source.expand(text).replace("\r", "")
    return collapsed(expanded) if source.wishes.collapse else expanded


def example_blocks(source: TextSource) -> list[str]:
    """Example blocks of the card, with the worldbook's before and after them."""
    material = source.material

    def split(text: str) -> list[str]:
        return split_examples(card_field(source, text), source.context, source.instruct, source.expand)

    blocks = split(material.card.mes_example)
    for text in material.examples_top:
        blocks = [*split(text), *blocks]
    for text in material.examples_bottom:
        blocks += split(text)
    return blocks


def story_string(source: TextSource, blocks: Sequence[str], examples: Sequence[str]) -> str:
    """The story string of the template with the card, the persona and the worldbook in it.

    Args:
        blocks, examples: the example blocks as the card has them, and as the template formats them.
    """
    card, material = source.material.card, source.material
    before, after = _anchors(source)
    values = {
        "system": system_prompt(source),
        "description": card_field(source, card.description),
        "personality": card_field(source, card.personality),
        "scenario": card_field(source, card.scenario),
        "persona": card_field(source, material.persona),
        "wiBefore": source.expand(material.before),
        "wiAfter": source.expand(material.after),
        "anchorBefore": before,
        "anchorAfter": after,
        "mesExamples": "".join(examples),
        "mesExamplesRaw": "".join(blocks),
        "char": source.names.char,
        "user": source.names.user,
    }
    values |= {"loreBefore": values["wiBefore"], "loreAfter": values["wiAfter"]}
    return render_story(source.context, source.instruct, values, source.expand)


def _anchors(source: TextSource) -> tuple[str, str]:
    """The texts before and after the story string."""
    wishes = source.wishes
    before = _anchor(source, wishes.anchor_before, "before_main")
    return before, _anchor(source, wishes.anchor_after, "after_main")


def _anchor(source: TextSource, own: str, position: NotePosition) -> str:
    """The texts at one side of the story string: the note, then memories, then standing texts."""
    material = source.material
    note, memory = material.note, material.memory
    noted = material.note_text() if note is not None and note.position == position else ""
    # Macros are expanded in the note only: memories and standing texts are sent as they are.
    texts = [source.expand("\n".join(filter(None, (own, noted)))).strip()]
    if memory.position == position:
        texts.append(memory.block)
    texts.append(material.standing_at(position))
    return "\n".join(filter(None, texts))
