"""pluginMessage: plug-ins may put the person's words otherwise before the prompt is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lunalux_core.dialogue.modes import framed
from lunalux_core.dialogue.turn import PluginFailed, TurnRequest
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.plugins.runner import Plugins, accept_text


def plugin_message(plugins: Callable[[], Plugins]) -> Node[TurnRequest, TurnRequest]:
    async def node(request: TurnRequest, context: TurnContext) -> TurnRequest:
        turn = request.turn
        if not request.text or turn.kind != "normal" or not turn.settings.plugins:
            return request
        from lunalux_core.plugins.api import UserMessage

        text, failures = await plugins().change(
            "on_user_message",
            request.text,
            lambda text: UserMessage(text, turn.character.id, turn.character.name, turn.conversation.id),
            accept_text,
        )
        for failure in failures:
            context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))
        return replace(request, text=text, sent=framed(text, turn.mode, turn.language))

    return node
