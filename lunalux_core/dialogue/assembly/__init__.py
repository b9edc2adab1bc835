"""Assembly of prompts: from preset, card, worldbook and history to the messages of one request.

prompt_material  the input          prompt         the result, and the error for one that is too large
slots        the preset's prompts   placeholders   inserting values without expanding macros in them
injections   texts at a depth, a person's instructions for one reply among them
history      the newest messages that fit
examples     example dialogues      labels         our own headings and instructions
prefill      the beginning of a reply, as the last message
sillytavern, narratium, text        the three assemblies

See docs/spec/formats.md: Presets, Context and token counts.
"""

from __future__ import annotations

from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage, PromptReport, SlotTokens
from lunalux_core.dialogue.assembly.prompt_material import (
    AuthorsNote,
    CardFields,
    CountTokens,
    DepthText,
    Expand,
    GenerationType,
    HistoryMessage,
    MemoryTexts,
    NotePosition,
    PromptMaterial,
)
from lunalux_core.presets.document import Preset

__all__ = [
    "AuthorsNote",
    "CardFields",
    "CountTokens",
    "DepthText",
    "Expand",
    "GenerationType",
    "HistoryMessage",
    "MemoryTexts",
    "NotePosition",
    "Prompt",
    "PromptMaterial",
    "PromptMessage",
    "PromptReport",
    "SlotTokens",
    "assemble",
]


def assemble(
    preset: Preset, material: PromptMaterial, *, expand: Expand, count_tokens: CountTokens
) -> Prompt:
    """The messages of one request.

    Args:
        expand: replaces macros; called on each text once, in the order of the prompt.
        count_tokens: tokens of a message with that content, including the frame of a message.

    Raises:
        InvalidInput: PROMPT_TOO_LARGE when the required parts do not fit; it lists slots by size.
    """
    if preset.assembly == "narratium":
        from lunalux_core.dialogue.assembly.narratium import NarratiumAssembly

        return NarratiumAssembly(preset, material, expand, count_tokens).run()
    from lunalux_core.dialogue.assembly.sillytavern import SillyTavernAssembly

    return SillyTavernAssembly(preset, material, expand, count_tokens).run()
