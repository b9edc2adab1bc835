"""finishedPrompt: the prompt as it will be sent, made of all that the nodes before have brought.

The worldbooks are scanned before the history is cut to its budget, since their texts are mandatory and the
history takes what is left.

See docs/spec/formats.md: Presets, Context and token counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.dialogue.assembly import DepthText, Prompt, PromptMaterial, assemble
from lunalux_core.dialogue.assembly.injections import directions_of
from lunalux_core.dialogue.assembly.prefill import prefilled, takes_beginning
from lunalux_core.dialogue.assembly.prompt_material import HistoryMessage
from lunalux_core.dialogue.context_window import allowed_window, counter, window_of
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.nodes.worldbook import worldbook_activation, worldbook_settings
from lunalux_core.dialogue.turn import Beginning, PromptDraft, Ready, TextsCut, WorldbookOverflowed
from lunalux_core.dialogue.workflow import Node, Trace, TurnContext
from lunalux_core.errors import InvalidInput
from lunalux_core.macros.expansion import MacroContext, expander
from lunalux_core.presets.document import Preset
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.worldbook.engine.admission import budget_of

if TYPE_CHECKING:
    from lunalux_core.memory.story_memory import Ranker
    from lunalux_core.templates.template_values import TextTemplate


def finished_prompt(
    engine: EcmaEngine, rankers: Callable[[], Sequence[Ranker]] = tuple
) -> Node[PromptDraft, Ready]:
    """Args: rankers: what calls entries that are marked `vectorized`, beside their keys."""

    async def node(draft: PromptDraft, context: TurnContext) -> Ready:
        if draft.request.turn.books and (used := rankers()):
            from lunalux_core.dialogue.nodes.near_entries import near_entries

            draft = replace(draft, forced=await near_entries(draft, used))
        # In a thread: large books take longer to scan than the event loop may stand still.
        ready = await asyncio.to_thread(_build, draft, engine, context.trace)
        turn, activation = draft.request.turn, ready.activation
        if activation.overflowed and turn.settings.worldbook_overflow_alert:
            kept_out = sum(entry.reason == "budget" for entry in activation.skipped)
            budget = budget_of(worldbook_settings(turn), allowed_window(turn.model, turn.settings))
            context.tell(WorldbookOverflowed(kept_out, budget))
        if context.trace.cut:
            context.tell(TextsCut(context.trace.cut, window_of(turn)))
        return ready

    return node


def _build(draft: PromptDraft, engine: EcmaEngine, trace: Trace) -> Ready:
    """The prompt; where the window is too small for memories, the messages themselves as far as they fit."""
    plain = draft.without_memory
    # A prompt that is built twice must not count a {{incvar}} twice.
    variables = draft.variables.fork() if plain is not None else draft.variables
    try:
        return _assembled(draft, engine, trace)
    except InvalidInput as error:
        if error.code != "PROMPT_TOO_LARGE" or plain is None:
            raise
    story = draft.request.turn.memory
    if story is not None:
        from lunalux_core.memory.selection import nothing

        trace.memory = nothing(story, "no_room").record
    trace.room = False
    plainly = replace(draft, material=plain, without_memory=None, variables=variables)
    return _assembled(plainly, engine, trace)


def _assembled(draft: PromptDraft, engine: EcmaEngine, trace: Trace) -> Ready:
    turn = draft.request.turn
    unknown: dict[str, None] = {}
    # First, since any text may hold `{{outlet::…}}`, which gives what was activated.
    activation = worldbook_activation(draft, engine, unknown, trace)
    context = _remembering(macro_context(turn, draft.request.sent, activation.outlets), draft)
    material = replace(
        draft.material,
        before=activation.before,
        after=activation.after,
        at_depth=tuple(
            DepthText(4 if entry.depth is None else entry.depth, entry.role, entry.content)
            for entry in activation.at_depth
        ),
        note_top=activation.note_top,
        note_bottom=activation.note_bottom,
        examples_top=activation.examples_top,
        examples_bottom=activation.examples_bottom,
    )
    expand = expander(context, draft.variables, unknown)
    beginning = _beginning(draft, expand)
    begin = beginning.text if beginning is not None and beginning.told else ""
    directions = directions_of(turn.direction, turn.kind, turn.language, expand, begin)
    material = replace(material, directions=directions)
    own = beginning.text if beginning is not None and not beginning.told else ""

    def make(preset: Preset, material: PromptMaterial) -> Prompt:
        if draft.template is not None:
            return _text(draft, draft.template, material, context, unknown)
        return _chat(draft, preset, material, expander(context, draft.variables, unknown), own)

    trace.cut = ()
    try:
        prompt = make(turn.preset, material)
    except InvalidInput as error:
        # Memories go before the card loses a word.
        if error.code != "PROMPT_TOO_LARGE" or draft.without_memory is not None:
            raise
        from lunalux_core.dialogue.shortening import fitted

        prompt, trace.cut = fitted(make, turn, material, error)
    prompt = replace(prompt, report=replace(prompt.report, unknown_macros=tuple(unknown)))
    return Ready(draft.request, prompt, activation, draft.variables, beginning)


def _beginning(draft: PromptDraft, expand: Callable[[str], str]) -> Beginning | None:
    """What the reply of a chat model begins with; a template has its own place for it."""
    turn = draft.request.turn
    if draft.template is not None or turn.start is None or turn.kind in ("continue", "impersonate"):
        return None
    text = expand(turn.start.value)
    if not text.strip():
        return None
    return Beginning(text, turn.start.show, told=not takes_beginning(draft.prefill, turn.model.model))


def _chat(
    draft: PromptDraft, preset: Preset, material: PromptMaterial, expand: Callable[[str], str], begin: str
) -> Prompt:
    turn = draft.request.turn
    count = counter(turn).message
    prompt = assemble(preset, material, expand=expand, count_tokens=count)
    return prefilled(
        prompt,
        preset.params,
        turn.kind,
        turn.model.model,
        draft.prefill,
        begin,
        expand=expand,
        count_tokens=count,
    )


def _remembering(context: MacroContext, draft: PromptDraft) -> MacroContext:
    """The context in which {{memory}} and {{summary}} are known; no macros are expanded in what they give."""
    memory = draft.material.memory
    own = {"memory": memory.whole, "summary": memory.story}
    return replace(context, extra={**context.extra, **own})


def _text(
    draft: PromptDraft,
    template: TextTemplate,
    material: PromptMaterial,
    context: MacroContext,
    unknown: dict[str, None],
) -> Prompt:
    """The prompt as one text. The person's words have macros of their own, as when they are sent to a chat;
    a reply without any words yet is gone on with all the same.
    """
    from lunalux_core.dialogue.assembly.text.assembly import text_prompt
    from lunalux_core.dialogue.assembly.text.source import TextWishes
    from lunalux_core.dialogue.text_templates import template_macros

    turn = draft.request.turn
    if turn.start is not None:
        template = replace(template, start=turn.start)
    own = template_macros(template, turn.card.system_prompt)
    expand = expander(replace(context, extra={**context.extra, **own}), draft.variables, unknown)
    history = [
        replace(message, content=expand(message.content)) if message.role == "user" else message
        for message in material.history
    ]
    if turn.kind == "continue" and not turn.partial:
        history.append(HistoryMessage("assistant", "", turn.character.name, turn.reply_id))
    start = template.start.value if template.start is not None else ""
    count = counter(turn).text
    material = replace(material, history=tuple(history))
    return text_prompt(template, material, expand, count, TextWishes(start=start)).prompt
