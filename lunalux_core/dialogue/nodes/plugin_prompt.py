"""pluginPrompt: plug-ins may change the messages for the model; a preview shows what they made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt import PromptMessage
from lunalux_core.dialogue.turn import PluginFailed, Ready
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.llm.model import Message
from lunalux_core.llm.tokens import estimator
from lunalux_core.plugins.runner import Plugins

SLOT = "plugin"
"""The slot of messages that a plug-in brought or changed."""


def plugin_prompt(plugins: Callable[[], Plugins]) -> Node[Ready, Ready]:
    async def node(ready: Ready, context: TurnContext) -> Ready:
        turn = ready.request.turn
        if not turn.settings.plugins:
            return ready
        from lunalux_core.plugins.api import PromptView

        before = ready.prompt.to_messages()
        after, failures = await plugins().change(
            "on_prompt",
            before,
            lambda now: PromptView(now, turn.model.model, turn.character.id, turn.conversation.id),
            _messages,
        )
        for failure in failures:
            context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))
        if after == before:
            return ready
        originals = dict(zip(before, ready.prompt.messages, strict=True))
        count = estimator(turn.model.model, turn.token_factor).message
        messages = tuple(
            originals.get(message)
            or PromptMessage(message.role, message.content, message.name, SLOT, count(message.content))
            for message in after
        )
        return replace(ready, prompt=replace(ready.prompt, messages=messages))

    return node


def _messages(returned: object) -> tuple[Message, ...]:
    """What a plug-in returned as messages. Raises TypeError."""
    if not isinstance(returned, Sequence) or not all(isinstance(item, Message) for item in returned):
        raise TypeError("returned something else than a list of messages")
    return tuple(returned)
