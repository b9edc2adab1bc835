"""Exact prompts: preset, card, worldbook and history in, the messages of one request out.

material   what goes in            prompt         what comes out, and the refusal
slots      the preset's list       placeholders   values inserted unread
injections texts at a depth        history        newest first, while there is room
examples   example dialogues       labels         our own few words
sillytavern, narratium             the two assemblies

See docs/spec/formats.md: Presets, Context and token counts.
"""

from __future__ import annotations

from lunalux_core.dialogue.assembly.material import (
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
from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage, PromptReport, SlotTokens
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
        count_tokens: the cost of a message with that content, frame included.

    Raises:
        InvalidInput: PROMPT_TOO_LARGE when what must be in the prompt does not fit; names slots by size.
    """
    if preset.assembly == "narratium":
        from lunalux_core.dialogue.assembly.narratium import NarratiumAssembly

        return NarratiumAssembly(preset, material, expand, count_tokens).run()
    from lunalux_core.dialogue.assembly.sillytavern import SillyTavernAssembly

    return SillyTavernAssembly(preset, material, expand, count_tokens).run()
