"""bank: passages of documents that the last messages call for, as far as their share of the window goes."""

from __future__ import annotations

from dataclasses import replace

from lunalux_core.bank.choice import choose
from lunalux_core.dialogue.assembly.material import StandingText
from lunalux_core.dialogue.turn import Draft
from lunalux_core.dialogue.window import window_of
from lunalux_core.dialogue.workflow import TurnContext


async def bank(draft: Draft, context: TurnContext) -> Draft:
    turn = draft.request.turn
    settings = turn.settings
    chosen = choose(turn.passages, window_of(turn) * settings.bank_share // 100)
    context.trace.bank = chosen.record
    if not chosen.passages:
        return draft
    text = StandingText(chosen.text(turn.language), depth=settings.bank_depth, slot="bank")
    material = replace(draft.material, standing=(*draft.material.standing, text))
    return replace(draft, material=material, without_memory=draft.without_memory or draft.material)
