"""The nodes in their order, with one for what plug-ins make of the prompt.

See docs/spec/design.md: One chat turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lunalux_core.dialogue.nodes.context import context
from lunalux_core.dialogue.nodes.finished_prompt import finished_prompt
from lunalux_core.dialogue.nodes.llm import llm
from lunalux_core.dialogue.nodes.output import output
from lunalux_core.dialogue.nodes.preset import preset
from lunalux_core.dialogue.nodes.regex import regex
from lunalux_core.dialogue.nodes.user_input import user_input
from lunalux_core.dialogue.workflow import Node, Workflow

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import (
        Completion,
        PromptDraft,
        Ready,
        ReplyDraft,
        TurnInput,
        TurnRequest,
        TurnResult,
    )
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.memory.story_memory import Ranker
    from lunalux_core.plugins.runner import Plugins
    from lunalux_core.regex.engine import EcmaEngine


def words_line(engine: EcmaEngine, plugins: Callable[[], Plugins]) -> Workflow[TurnInput, TurnRequest]:
    """The nodes up to the person's words as they are stored: all that words without an answer need."""
    return Workflow.start(user_input(engine)).where(
        lambda request: bool(request.turn.settings.plugins), lambda: _plugin_message(plugins)
    )


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
        .where(_has_form, lambda: _text_template(models, engine))
        .where(lambda draft: draft.request.turn.memory is not None, lambda: _memory(rankers))
        .where(lambda draft: bool(draft.request.turn.trackers), _trackers)
        .where(lambda draft: _passages(draft.request.turn, rankers), lambda: _bank(rankers))
        .where(lambda draft: bool(draft.request.turn.injections), _injections)
        # After all that it scans; plug-ins get the finished prompt.
        .then(finished_prompt(engine, rankers))
        .where(lambda ready: bool(ready.request.turn.settings.plugins), lambda: _plugin_prompt(plugins))
    )


def _has_form(draft: PromptDraft) -> bool:
    """Whether the prompt is one text, or the model may go on from a beginning: other chats have no form."""
    turn = draft.request.turn
    params = turn.preset.params
    continues = turn.kind == "continue" and bool(turn.partial.strip())
    begins = continues or turn.start or params.assistant_prefill or params.assistant_impersonation
    return turn.model.mode == "text" or bool(begins)


def _passages(turn: TurnInput, rankers: Callable[[], Sequence[Ranker]]) -> bool:
    """Whether words call passages of documents, or vectors may call those that no word does."""
    return bool(turn.passages) or (turn.reach is not None and bool(rankers()))


def _plugin_message(plugins: Callable[[], Plugins]) -> Node[TurnRequest, TurnRequest]:
    from lunalux_core.dialogue.nodes.plugin import plugin_message

    return plugin_message(plugins)


def _plugin_prompt(plugins: Callable[[], Plugins]) -> Node[Ready, Ready]:
    from lunalux_core.dialogue.nodes.plugin import plugin_prompt

    return plugin_prompt(plugins)


def _plugin(plugins: Callable[[], Plugins]) -> Node[ReplyDraft, ReplyDraft]:
    from lunalux_core.dialogue.nodes.plugin import plugin

    return plugin(plugins)


def _text_template(models: Callable[[], Registry], engine: EcmaEngine) -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.text_template import text_template

    return text_template(models, engine)


def _memory(rankers: Callable[[], Sequence[Ranker]]) -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.memory import memory

    return memory(rankers)


def _trackers() -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.tracker_texts import tracker_texts

    return tracker_texts


def _bank(rankers: Callable[[], Sequence[Ranker]]) -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.bank import bank

    return bank(rankers)


def _injections() -> Node[PromptDraft, PromptDraft]:
    from lunalux_core.dialogue.nodes.chat_injections import chat_injections

    return chat_injections


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
    return (
        Workflow.start(regex(engine, plugins))
        .where(
            lambda reply: bool(reply.completion.ready.request.turn.settings.plugins),
            lambda: _plugin(plugins),
        )
        .then(output(models))
    )
