"""The scan of a turn's worldbooks: what their entries are compared with, and under which settings.

See docs/spec/formats.md: Worldbooks, Regex script files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lunalux_core.dialogue.context_window import allowed_window, counter
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.nodes.preset import note_of
from lunalux_core.macros.expansion import expander
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

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.dialogue.assembly.prompt_material import MemoryTexts
    from lunalux_core.dialogue.turn import PromptDraft, TurnInput
    from lunalux_core.dialogue.workflow import Trace
    from lunalux_core.regex.engine import EcmaEngine
    from lunalux_core.worldbook.entry import Entry

_STRATEGIES = {"evenly": 0, "character": 1, "global": 2}

WORLD_INFO = 5
"""Placement of regex scripts for worldbook texts."""


def worldbook_activation(
    draft: PromptDraft, engine: EcmaEngine, unknown: dict[str, None], trace: Trace
) -> Activation:
    """The entries that fire, and where their texts go; `unknown` gets the names of unknown macros."""
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
