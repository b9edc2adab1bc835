"""plugin: plug-ins may change the text of the reply, and are told that it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lunalux_core.dialogue.turn import Completion, PluginFailed, ReplyDraft
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.plugins.runner import Plugins, accept_text
from lunalux_core.text import clean


def plugin(plugins: Callable[[], Plugins]) -> Node[ReplyDraft, ReplyDraft]:
    async def node(reply: ReplyDraft, context: TurnContext) -> ReplyDraft:
        turn = reply.completion.ready.request.turn
        if not turn.settings.plugins:
            return reply
        from lunalux_core.plugins.api import Event, Reply

        text, failures = await plugins().change(
            "on_response",
            reply.text,
            lambda text: Reply(
                text,
                reply.raw,
                reply.thinking,
                reply.suggestions,
                reply.event,
                turn.character.id,
                turn.conversation.id,
            ),
            accept_text,
        )
        failures += await plugins().tell("on_event", Event("reply", _numbers(reply)))
        for failure in failures:
            context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))
        return replace(reply, text=clean(text))

    return node


async def raw_answer(completion: Completion, plugins: Plugins, context: TurnContext) -> Completion:
    """The raw answer as plug-ins leave it, before anything is parsed out of it."""
    from lunalux_core.plugins.api import Reply

    turn = completion.ready.request.turn
    text, failures = await plugins.change(
        "on_response_raw",
        completion.text,
        lambda raw: Reply("", raw, completion.thinking, (), "", turn.character.id, turn.conversation.id),
        accept_text,
    )
    for failure in failures:
        context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))
    return replace(completion, text=clean(text))


def _numbers(reply: ReplyDraft) -> dict[str, object]:
    completion = reply.completion
    turn = completion.ready.request.turn
    bill = completion.billing or {}
    return {
        "model": turn.model.name,
        "prompt_tokens": completion.usage.prompt_tokens,
        "completion_tokens": completion.usage.completion_tokens,
        "character_id": turn.character.id,
        "conversation_id": turn.conversation.id,
        **{name: bill[name] for name in ("method", "cost") if name in bill},
    }
