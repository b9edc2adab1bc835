"""trackerTexts: the values of this branch's trackers, each at its place in the prompt."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lunalux_core.dialogue.assembly.prompt_material import StandingText
from lunalux_core.dialogue.nodes.macro_context import placing_texts
from lunalux_core.dialogue.turn import PromptDraft
from lunalux_core.dialogue.workflow import TurnContext
from lunalux_core.library.trackers import TrackerState
from lunalux_core.llm.tokens import TokenEstimator

_MACRO = re.compile(r"\{\{\s*tracker\s*::\s*([^{}]+?)\s*\}\}", re.IGNORECASE)


async def tracker_texts(draft: PromptDraft, context: TurnContext) -> PromptDraft:
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


def prompt_text(standing: TrackerState) -> str:
    """What stands in the prompt: the name, and the value; "" where nothing is to stand there."""
    if standing.value is None or not standing.tracker.enabled or not standing.value.value.strip():
        return ""
    return f"[{standing.tracker.name}]\n{standing.value.value.strip()}"


def account(standing: TrackerState, tokens: int, used: bool = True) -> dict[str, Any]:
    """For the record of a turn: what was used of a tracker, and if nothing, why."""
    tracker = standing.tracker
    why = "" if used else "no_room"
    if not tracker.enabled:
        why = "off"
    elif standing.value is None:
        why = "stale" if standing.stale is not None else "empty"
    return {
        "id": tracker.id,
        "name": tracker.name,
        "status": standing.status,
        "at": (standing.value.message_id or None) if standing.value else None,
        "position": tracker.position,
        "depth": tracker.depth,
        "role": tracker.role,
        "tokens": 0 if why else tokens,
        "left_out": why or None,
    }
