"""The texts of the card and the prompts that a card can replace, as they are sent."""

from __future__ import annotations

from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.story_string import collapsed


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
