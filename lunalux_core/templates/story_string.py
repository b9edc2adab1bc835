"""The story string: what a model knows before the first turn."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lunalux_core.templates.handlebars import parse
from lunalux_core.templates.template_values import Context, Expand, Instruct
from lunalux_core.templates.turn_texts import named

FIELDS = (
    "system", "description", "personality", "scenario", "persona", "wiBefore", "wiAfter", "loreBefore",
    "loreAfter", "mesExamples", "mesExamplesRaw", "anchorBefore", "anchorAfter", "char", "user",
)  # fmt: skip
"""What a story string can have in it."""


def render_story(
    context: Context, instruct: Instruct | None, values: Mapping[str, str], expand: Expand
) -> str:
    """The story string filled, before anything is put around it.

    Args:
        values: by the names of `FIELDS`, expanded; one that is missing is empty.

    Raises:
        InvalidInput: TEMPLATE_SYNTAX.
    """
    filled = {name: values.get(name, "") for name in FIELDS}

    def macro(name: str) -> str:
        written = f"{{{{{name}}}}}"
        # Left as it is: what it cuts away stands around it, and the whole text is not there yet.
        return written if name.strip().lower() == "trim" else expand(written)

    text = expand(parse(context.story_string).render(filled, macro)).lstrip("\n")
    ends = instruct is None or (instruct.wrap and not instruct.story_string_suffix)
    if ends and text and not text.endswith("\n") and not context.in_chat:
        text += "\n"
    return text


def around_story(story: str, context: Context, instruct: Instruct | None, expand: Expand) -> str:
    """The story string as it begins the prompt: between its sequences, whose macros always count. As a turn
    of the chat it has those of its role instead.
    """
    if not story or instruct is None or context.in_chat:
        return story
    if instruct.story_string_prefix:
        prefix = named(expand(instruct.story_string_prefix), "System")
        story = prefix + ("\n" if instruct.wrap else "") + story
    return story + expand(instruct.story_string_suffix)


def collapsed(text: str) -> str:
    """The text without empty lines."""
    return re.sub(r"\n+", "\n", text)
