"""memory: which memories of the story go into the prompt, and which messages they stand in for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt_material import MemoryTexts
from lunalux_core.dialogue.context_window import window_of
from lunalux_core.dialogue.nodes.macro_context import placing_texts
from lunalux_core.dialogue.turn import PromptDraft, TurnInput
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.memory.memory_wording import facts_text, recalled_text, story_text
from lunalux_core.memory.recall import by_keywords
from lunalux_core.memory.selection import Selection, nothing, select
from lunalux_core.memory.story_memory import EVENTS, Ranker

_MACRO = re.compile(r"\{\{\s*(memory|summary)\s*\}\}", re.IGNORECASE)


def memory(rankers: Callable[[], Sequence[Ranker]]) -> Node[PromptDraft, PromptDraft]:
    """For turns with a memory. Args: rankers: what calls memories beside their keywords."""

    async def node(draft: PromptDraft, context: TurnContext) -> PromptDraft:
        turn = draft.request.turn
        assert turn.memory is not None
        share = turn.settings.memory_share
        if not share:
            context.trace.memory = nothing(turn.memory, "off").record
            return draft
        texts = draft.last_texts()
        rankings = []
        for ranker in rankers():
            rankings.append((ranker.name, await ranker.rank(turn.memory, texts)))
        selection = await asyncio.to_thread(_selected, turn, texts, rankings)
        return _with(draft, selection, context)

    return node


def _selected(
    turn: TurnInput, texts: Sequence[str], rankings: Sequence[tuple[str, Sequence[str]]]
) -> Selection:
    story = turn.memory
    assert story is not None
    called = story.prepared.keywords.called(texts)
    ranked = [("keywords", by_keywords(story.prepared.place, called)), *rankings]
    speaker = (turn.character.name, turn.character.id, turn.card.nickname)
    budget = window_of(turn) * turn.settings.memory_share // 100
    return select(story, budget, speaker=[name for name in speaker if name], rankings=ranked, reasons=called)


def _with(draft: PromptDraft, selection: Selection, context: TurnContext) -> PromptDraft:
    turn, material = draft.request.turn, draft.material
    offered = [message.id for message in turn.history]
    replaced = selection.story.replaced((*turn.above, *offered), selection.longest)
    above = sum(message_id in replaced for message_id in turn.above)
    told = replaced | _told_events(selection)
    kept = [
        replace(message, event="") if message.event and message.id in told else message
        for message in material.history
        # The reply that is continued stays, whatever covers it: the model must see where it stops.
        if not message.id or message.id not in replaced or message.id == turn.reply_id
    ]
    events = [
        event
        for identity, event in zip(turn.event_ids, turn.earlier_events, strict=True)
        if identity not in told
    ]
    settings = turn.settings
    texts = MemoryTexts(
        facts_text(selection, turn.language),
        story_text(selection, turn.language),
        recalled_text(selection, turn.language),
        placed=_placed(draft),
        position=settings.memory_position,  # type: ignore[arg-type]
        depth=settings.memory_depth,
        role=settings.memory_role,  # type: ignore[arg-type]
        recall_depth=settings.memory_recall_depth,
    )
    context.trace.memory = lambda: selection.record(len(replaced))
    slim = replace(
        material,
        history=tuple(kept),
        omitted=max(material.omitted - above, 0),
        replaced=len(replaced),
        earlier_events=tuple(events),
        memory=texts,
    )
    return replace(draft, material=slim, without_memory=material)


def _told_events(selection: Selection) -> frozenset[str]:
    """The messages whose lines of events stand in the prompt as a fact."""
    facts = [used.memory for used in selection.used if used.memory.made_by == EVENTS]
    covered = selection.story.prepared.covered
    return frozenset(message for fact in facts for message in covered.get(fact.id, ()))


def _placed(draft: PromptDraft) -> frozenset[str]:
    """The macros by which preset, card or template place memories themselves."""
    return frozenset(macro.lower() for text in placing_texts(draft) for macro in _MACRO.findall(text))
