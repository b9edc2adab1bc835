"""context: the history of the branch, as the outgoing scripts leave it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt_material import HistoryMessage
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.turn import PromptDraft, ScriptSkipped, TurnInput
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.library.conversations import Message
from lunalux_core.macros.expansion import expander
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.regex.substitution import run_scripts

_PLACEMENT = {"user": 1, "assistant": 2}


def context(engine: EcmaEngine) -> Node[PromptDraft, PromptDraft]:
    async def node(draft: PromptDraft, told: TurnContext) -> PromptDraft:
        turn = draft.request.turn
        history = [
            HistoryMessage(
                message.role,
                message.content,
                message.name,
                message.id,
                hidden=message.hidden,
                foreign=_foreign(turn, message),
                event=message.event,
                pictures=message.pictures,
            )
            for message in turn.history
            # A reply without words, as one that is about to be made, is nothing to send.
            if message.content or message.pictures
        ]
        if draft.request.sent or turn.shown:
            history.append(HistoryMessage("user", draft.request.sent, turn.user, pictures=turn.shown))
        if turn.partial:
            history.append(HistoryMessage("assistant", turn.partial, turn.character.name, turn.reply_id))
        history = await asyncio.to_thread(_outgoing, draft, history, engine, told)
        if any(message.pictures for message in history):
            history = [_seen(turn, message) for message in history]
        offered = sum(1 for message in turn.history)
        material = replace(
            draft.material,
            history=tuple(history),
            omitted=max(turn.length - offered, 0),
            earlier_events=turn.earlier_events,
        )
        return replace(draft, material=material)

    return node


def _seen(turn: TurnInput, message: HistoryMessage) -> HistoryMessage:
    """A message with the pictures that the model is shown; the others are named in its text.

    Only the person's: servers take pictures of nobody else.
    """
    if not message.pictures:
        return message
    from lunalux_core.documents.picture_refs import in_words

    taken = turn.picture_data if message.role == "user" else {}
    named = [picture for picture in message.pictures if picture.hash not in taken]
    seen = tuple(picture for picture in message.pictures if picture.hash in taken)
    return replace(message, content=in_words(message.content, named), pictures=seen)


def _foreign(turn: TurnInput, message: Message) -> bool:
    """Whether the model must be told whose words a message is."""
    if message.role == "user":
        return message.name != turn.user
    return turn.group is not None or message.by_somebody


def _outgoing(
    draft: PromptDraft, history: list[HistoryMessage], engine: EcmaEngine, told: TurnContext
) -> list[HistoryMessage]:
    """The messages after prompt-only scripts; depth counts from the end over messages that are sent."""
    scripts = [script for script in draft.request.turn.scripts if script.prompt_only and not script.disabled]
    if not scripts:
        return history
    expand = expander(macro_context(draft.request.turn, draft.request.sent), draft.variables)
    result: list[HistoryMessage] = []
    failed: set[str] = set()
    depth = 0
    # From the end, since a script may be bound to a depth; hidden messages have none.
    for message in reversed(history):
        placement = _PLACEMENT.get(message.role)
        if placement is None or message.hidden:
            result.append(message)
            continue
        outcome = run_scripts(
            scripts,
            message.content,
            placement=placement,
            target="prompt",
            depth=depth,
            engine=engine,
            expand=expand,
        )
        told.trace.touch(outcome.applied, "history", message.id)
        result.append(replace(message, content=outcome.text))
        for skipped in outcome.skipped:
            if skipped.failed and skipped.name not in failed:
                failed.add(skipped.name)
                told.tell(ScriptSkipped(skipped.name, skipped.detail or skipped.reason))
        depth += 1
    return result[::-1]
