"""trackers: the values of this branch's trackers, each at its place in the prompt."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lunalux_core.dialogue.assembly.prompt_material import StandingText
from lunalux_core.dialogue.nodes.placing import placing_texts
from lunalux_core.dialogue.turn import PromptDraft
from lunalux_core.dialogue.workflow import TurnContext
from lunalux_core.llm.tokens import TokenEstimator
from lunalux_core.trackers.tracker_wording import account, prompt_text

_MACRO = re.compile(r"\{\{\s*tracker\s*::\s*([^{}]+?)\s*\}\}", re.IGNORECASE)


async def trackers(draft: PromptDraft, context: TurnContext) -> PromptDraft:
    """Adds them to the material; a window that is too small for memories is too small for these."""
    standing = draft.request.turn.trackers
    placed = _placed(draft)
    texts = []
    for state in standing:
        if (text := prompt_text(state)) and state.tracker.name.casefold() not in placed:
            tracker = state.tracker
            texts.append(StandingText(text, tracker.position, tracker.depth, tracker.role))

    def record(used: bool = True) -> list[dict[str, Any]]:
        return [account(state, TokenEstimator().text(prompt_text(state)), used) for state in standing]

    context.trace.trackers = record
    if not texts:
        return draft
    without = draft.without_memory or draft.material
    return replace(draft, material=replace(draft.material, standing=tuple(texts)), without_memory=without)


def _placed(draft: PromptDraft) -> frozenset[str]:
    """Names, in lower case, of trackers that preset, card or template place by their macro."""
    texts = placing_texts(draft)
    return frozenset(name.casefold() for text in texts for name in _MACRO.findall(text))
