"""pluginMessage, pluginPrompt and plugin: what plug-ins may change of a turn, in the order of its nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt import PromptMessage
from lunalux_core.dialogue.context_window import counter
from lunalux_core.dialogue.direction import framed
from lunalux_core.dialogue.turn import Completion, PluginFailed, Ready, ReplyDraft, TurnRequest
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import Message
from lunalux_core.plugins.api import Event, PromptView, Reply, UserMessage
from lunalux_core.plugins.runner import Plugins, accept_text
from lunalux_core.text import clean

SLOT = "plugin"
"""The slot of messages that a plug-in brought or changed."""


def plugin_message(plugins: Callable[[], Plugins]) -> Node[TurnRequest, TurnRequest]:
    """Plug-ins may put the person's words otherwise before the prompt is built."""

    async def node(request: TurnRequest, context: TurnContext) -> TurnRequest:
        turn = request.turn
        if not request.text or turn.kind != "normal":
            return request
        text, failures = await plugins().change(
            "on_user_message",
            request.text,
            lambda text: UserMessage(text, turn.character.id, turn.character.name, turn.conversation.id),
            accept_text,
        )
        _tell(failures, context)
        return replace(request, text=text, sent=framed(text, turn.mode, turn.language))

    return node


def plugin_prompt(plugins: Callable[[], Plugins]) -> Node[Ready, Ready]:
    """Plug-ins may change the messages for the model; a preview shows what they made of them."""

    async def node(ready: Ready, context: TurnContext) -> Ready:
        turn = ready.request.turn
        before = ready.prompt.to_messages()
        after, failures = await plugins().change(
            "on_prompt",
            before,
            lambda now: PromptView(now, turn.model.model, turn.character.id, turn.conversation.id),
            _messages,
        )
        _tell(failures, context)
        if after == before:
            return ready
        # A message that comes back as it was keeps its slot and its count, wherever a plug-in puts it.
        originals = dict(zip(before, ready.prompt.messages, strict=True))
        count = counter(turn).message
        messages = tuple(
            originals.get(message)
            or PromptMessage(message.role, message.content, message.name, SLOT, count(message.content))
            for message in after
        )
        if len(after) == len(before):  # words that were changed keep their pictures
            messages = tuple(
                replace(message, pictures=was.pictures) if was.pictures else message
                for message, was in zip(messages, ready.prompt.messages, strict=True)
            )
        return replace(ready, prompt=replace(ready.prompt, messages=messages))

    return node


async def raw_answer(completion: Completion, plugins: Plugins, context: TurnContext) -> Completion:
    """The raw answer as plug-ins leave it, before anything is parsed out of it."""
    turn = completion.ready.request.turn
    text, failures = await plugins.change(
        "on_response_raw",
        completion.text,
        lambda raw: Reply("", raw, completion.thinking, (), "", turn.character.id, turn.conversation.id),
        accept_text,
    )
    _tell(failures, context)
    return replace(completion, text=clean(text))


def plugin(plugins: Callable[[], Plugins]) -> Node[ReplyDraft, ReplyDraft]:
    """Plug-ins may change the text of the reply, and are told that it is there."""

    async def node(reply: ReplyDraft, context: TurnContext) -> ReplyDraft:
        turn = reply.completion.ready.request.turn
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
        _tell(failures, context)
        return replace(reply, text=clean(text))

    return node


def _tell(failures: Sequence[LunaluxError], context: TurnContext) -> None:
    """A plug-in that failed changed nothing; the turn goes on, and the person is told."""
    for failure in failures:
        context.tell(PluginFailed(str(failure.params.get("name", "")), failure.message))


def _messages(returned: object) -> tuple[Message, ...]:
    """What a plug-in returned as messages. Raises TypeError."""
    if not isinstance(returned, Sequence) or not all(isinstance(item, Message) for item in returned):
        raise TypeError("returned something else than a list of messages")
    return tuple(returned)


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
