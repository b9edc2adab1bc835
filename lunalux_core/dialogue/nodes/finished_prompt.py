"""worldbook: which entries fire, and with them the finished prompt.

The worldbook is scanned before the history is cut to its budget, since its texts are mandatory and the
history takes what is left.

See docs/spec/formats.md: Preset files, Regex script files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.config.settings import Settings
from lunalux_core.dialogue.assembly import DepthText, Prompt, PromptMaterial, assemble
from lunalux_core.dialogue.assembly.injections import directions_of
from lunalux_core.dialogue.assembly.prefill import prefilled, takes_beginning
from lunalux_core.dialogue.assembly.prompt_material import HistoryMessage, MemoryTexts
from lunalux_core.dialogue.context_window import allowed_window, counter, window_of
from lunalux_core.dialogue.nodes.card_and_preset import note_of
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.turn import Beginning, PromptDraft, Ready, TextsCut, TurnInput, WorldbookOverflowed
from lunalux_core.dialogue.workflow import Node, Trace, TurnContext
from lunalux_core.errors import InvalidInput
from lunalux_core.macros.expansion import MacroContext, expander
from lunalux_core.presets.document import Preset
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.regex.substitution import run_scripts
from lunalux_core.worldbook.engine import (
    Activation,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
    activate,
    regex_matcher,
)
from lunalux_core.worldbook.engine.admission import budget_of
from lunalux_core.worldbook.entry import Entry

if TYPE_CHECKING:
    from lunalux_core.memory.story_memory import Ranker
    from lunalux_core.templates.template_values import TextTemplate

_STRATEGIES = {"evenly": 0, "character": 1, "global": 2}

WORLD_INFO = 5
"""Placement of regex scripts for worldbook texts."""


def worldbook(
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
    activation = _activate(draft, engine, unknown, trace)
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


def _activate(draft: PromptDraft, engine: EcmaEngine, unknown: dict[str, None], trace: Trace) -> Activation:
    turn, material = draft.request.turn, draft.material
    if not turn.books:
        # Effects stay: the books they belong to may be switched on again before they end.
        return Activation(timed=TimedState.read(turn.state.get("timed")))
    expand = expander(macro_context(turn, draft.request.sent), draft.variables, unknown)
    scripts = [script for script in turn.scripts if WORLD_INFO in script.placement and not script.disabled]

    def transform(entry: Entry, content: str) -> str:
        if not scripts:
            return content
        result = run_scripts(
            scripts, content, placement=WORLD_INFO, target="prompt", engine=engine, expand=expand
        )
        trace.touch(result.applied, "worldbook", entry.comment or str(entry.uid))
        return result.text

    chat = [ScanMessage(m.name, m.content, m.role == "user") for m in material.history if not m.hidden]
    card = turn.card
    return activate(
        turn.books,
        chat,
        worldbook_settings(turn),
        ScanContext(
            character=turn.character.name,
            character_tags=card.tags,
            persona=turn.persona,
            description=card.description,
            personality=card.personality,
            depth_prompt=card.depth_prompt.prompt,
            scenario=card.scenario,
            creator_notes=card.creator_notes,
            trigger=turn.kind,
            injections=_scanned(turn, expand, material.memory),
            max_context=allowed_window(turn.model, turn.settings),
            chat_length=turn.length + (1 if turn.text else 0),
            replies=turn.replies,
            forced=draft.forced,
        ),
        Tools(
            expand,
            counter(turn).text,
            turn.draws(),
            regex_matcher(engine),
            transform,
        ),
        TimedState.read(turn.state.get("timed")),
        explain=trace.explain,
    )


def _scanned(turn: TurnInput, expand: Callable[[str], str], memory: MemoryTexts) -> tuple[str, ...]:
    """Texts beside the messages that keys are sought in: the note, where it is due, what scripts put in, and
    the memories."""
    note = note_of(turn) if turn.conversation.note else None
    texts = [expand(note.prompt)] if note is not None and note.scan and note.prompt else []
    texts += [expand(injection.content) for injection in turn.injections if injection.scan]
    remembered = memory.whole if turn.settings.memory_scan else ""
    return (*texts, remembered) if remembered else tuple(texts)


def worldbook_settings(turn: TurnInput) -> WorldbookSettings:
    """The engine's settings for a turn."""
    return engine_settings(turn.settings)


def engine_settings(settings: Settings) -> WorldbookSettings:
    """The engine's settings. Minimum activations lift the limit of passes, which they would not work under,
    unless the person has set one.
    """
    passes = settings.worldbook_max_recursion_steps
    if settings.worldbook_min_activations and settings.source("worldbook.max_recursion_steps") == "default":
        passes = 0
    return WorldbookSettings(
        depth=settings.worldbook_depth,
        budget=settings.worldbook_budget,
        include_names=settings.worldbook_include_names,
        recursive=settings.worldbook_recursive,
        case_sensitive=settings.worldbook_case_sensitive,
        whole_words=settings.worldbook_whole_words,  # type: ignore[arg-type]
        max_recursion_steps=passes,
        min_activations=settings.worldbook_min_activations,
        min_activations_depth_max=settings.worldbook_min_activations_depth_max,
        budget_cap=settings.worldbook_budget_cap,
        strategy=_STRATEGIES[settings.worldbook_strategy],
        group_scoring=settings.worldbook_group_scoring,
    )
