"""The nodes in their order, with one for what plug-ins make of the prompt.

See docs/spec/design.md: One chat turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lunalux_core.dialogue.nodes.card_and_preset import preset
from lunalux_core.dialogue.nodes.finished_prompt import worldbook
from lunalux_core.dialogue.nodes.llm import llm
from lunalux_core.dialogue.nodes.outgoing_history import context
from lunalux_core.dialogue.nodes.plugin import plugin, plugin_message, plugin_prompt
from lunalux_core.dialogue.nodes.reply_scripts import regex
from lunalux_core.dialogue.nodes.text_template import text_template
from lunalux_core.dialogue.nodes.turn_result import output
from lunalux_core.dialogue.nodes.user_input import user_input
from lunalux_core.dialogue.workflow import Node, TurnContext, Workflow

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import Completion, PromptDraft, Ready, TurnInput, TurnRequest, TurnResult
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.memory.story_memory import Ranker
    from lunalux_core.plugins.runner import Plugins
    from lunalux_core.regex.engine import EcmaEngine


def words_line(engine: EcmaEngine, plugins: Callable[[], Plugins]) -> Workflow[TurnInput, TurnRequest]:
    """The nodes up to the person's words as they are stored: all that words without an answer need."""
    return Workflow.start(user_input(engine)).then(plugin_message(plugins))


def prompt_line(
    models: Callable[[], Registry],
    engine: EcmaEngine,
    plugins: Callable[[], Plugins],
    rankers: Callable[[], Sequence[Ranker]] = tuple,
) -> Workflow[TurnInput, Ready]:
    """The nodes up to the finished prompt: what a preview runs. `rankers` call what is close."""
    return words_line(engine, plugins).followed(_built(models, engine, plugins, rankers))


def _built(
    models: Callable[[], Registry],
    engine: EcmaEngine,
    plugins: Callable[[], Plugins],
    rankers: Callable[[], Sequence[Ranker]],
) -> Workflow[TurnRequest, Ready]:
    """The nodes from the person's words to the prompt."""
    return (
        Workflow.start(preset)
        .then(context(engine))
        .then(text_template(models, engine))
        .then(_where(lambda turn: turn.memory is not None, lambda: _memory(rankers)))
        .then(_where(lambda turn: bool(turn.trackers), _trackers))
        .then(_where(lambda turn: bool(turn.passages) or _near(turn, rankers), lambda: _bank(rankers)))
        .then(_where(lambda turn: bool(turn.injections), _injections))
        # After all that it scans; plug-ins get the finished prompt.
        .then(worldbook(engine, rankers))
        .then(plugin_prompt(plugins))
    )


def _near(turn: TurnInput, rankers: Callable[[], Sequence[Ranker]]) -> bool:
    """Whether vectors may call passages that no word does."""
    return turn.reach is not None and bool(rankers())


def _where(
    needed: Callable[[TurnInput], bool], load: Callable[[], Node[PromptDraft, PromptDraft]]
) -> Node[PromptDraft, PromptDraft]:
    """A node for the turns that need it: the first of them loads it, for all others it is not there."""

    async def node(draft: PromptDraft, context: TurnContext) -> PromptDraft:
        return await load()(draft, context) if needed(draft.request.turn) else draft

    return node


def _memory(rankers: Callable[[], Sequence[Ranker]]) -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.memory import memory

    return memory(rankers)


def _trackers() -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.tracker_values import trackers

    return trackers


def _bank(rankers: Callable[[], Sequence[Ranker]]) -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.bank import bank

    return bank(rankers)


def _injections() -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.chat_injections import injections

    return injections


def dialogue_line(
    models: Callable[[], Registry],
    engine: EcmaEngine,
    plugins: Callable[[], Plugins],
    rankers: Callable[[], Sequence[Ranker]] = tuple,
) -> Workflow[TurnInput, TurnResult]:
    """A whole turn."""
    return (
        prompt_line(models, engine, plugins, rankers)
        # Where the server refuses the prompt as too long, it is built once more for a smaller window.
        .then(llm(models, lambda: _built(models, engine, plugins, rankers)))
        .followed(reply_line(models, engine, plugins))
    )


def reply_line(
    models: Callable[[], Registry], engine: EcmaEngine, plugins: Callable[[], Plugins]
) -> Workflow[Completion, TurnResult]:
    """The nodes from what a model answered to what the library keeps."""
    return Workflow.start(regex(engine, plugins)).then(plugin(plugins)).then(output(models))
