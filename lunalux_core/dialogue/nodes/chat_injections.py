"""chatInjections: the texts that scripts put into the prompts of this chat."""

from __future__ import annotations

from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt_material import StandingText
from lunalux_core.dialogue.chat_texts import STANDING
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.turn import PromptDraft
from lunalux_core.dialogue.workflow import TurnContext
from lunalux_core.macros.expansion import expander


async def chat_injections(draft: PromptDraft, context: TurnContext) -> PromptDraft:
    """Adds them to the material, macros replaced; they stay where a small window drops memories."""
    turn = draft.request.turn
    expand = expander(macro_context(turn, draft.request.sent), draft.variables)
    texts = tuple(
        StandingText(
            expand(injection.content),
            STANDING[injection.position],
            injection.depth,
            injection.role,
            "injection",
        )
        for injection in turn.injections
        if injection.position in STANDING
    )
    if not texts:
        return draft
    plain = draft.without_memory
    return replace(
        draft,
        material=replace(draft.material, standing=(*draft.material.standing, *texts)),
        without_memory=replace(plain, standing=(*plain.standing, *texts)) if plain is not None else None,
    )
