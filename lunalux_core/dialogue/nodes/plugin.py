"""plugin: plug-ins may change the text for the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lunalux_core.dialogue.turn import PluginFailed, ReplyDraft
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.plugins.loader import Plugins
from lunalux_core.text import clean


def plugin(plugins: Callable[[], Plugins]) -> Node[ReplyDraft, ReplyDraft]:
    async def node(reply: ReplyDraft, context: TurnContext) -> ReplyDraft:
        turn = reply.completion.ready.request.turn
        if not turn.settings.plugins:
            return reply
        from lunalux_core.plugins.api import Reply

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
        )
        for failure in failures:
            context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))
        return replace(reply, text=clean(str(text)))

    return node
