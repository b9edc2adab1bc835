"""What a turn would be, were it begun now: its input, its prompt, its request. Nothing is stored or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.turn_beginnings import nothing_to_continue, words_above
from lunalux_core.dialogue.turn import Ready, TurnEvent, TurnInput, TurnKind, TurnOptions, TurnTask
from lunalux_core.groups.responders import addressed
from lunalux_core.library.conversations import (
    Conversation,
    load_conversation,
    load_message,
    new_message,
)
from lunalux_core.text import well_formed

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.assembly import Prompt
    from lunalux_core.dialogue.profile_choice import Choice
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.dialogue.workflow import TurnContext, Workflow
    from lunalux_core.library import Library
    from lunalux_core.library.profiles import Task
    from lunalux_core.llm.model import ModelRequest, ModelSpec


class TurnPreviews:
    """Tells what a turn would be made of, up to the request of its model.

    Args:
        reader: gathers all that a turn needs, within one transaction.
        prompt_line: gives the line of nodes that ends with the prompt.
    """

    def __init__(
        self,
        library: Library,
        reader: Callable[[], TurnReader],
        prompt_line: Callable[[], Workflow[TurnInput, Ready]],
    ) -> None:
        self._library = library
        self._reader = reader
        self._prompt_line = prompt_line

    async def prompt(self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()) -> Prompt:
        """The exact messages that `Chat.send` would send."""
        return (await self.prompt_told(conversation_id, text, options))[0]

    async def prompt_told(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> tuple[Prompt, Sequence[TurnEvent]]:
        """The prompt, with what there was to tell on the way; `kind` is that of the turn in the place of
        `Chat.send`: "continue", "regenerate" of the last message, or "impersonate".
        """
        from lunalux_core.dialogue.workflow import TurnContext

        context = TurnContext()
        ready = await self._ready(conversation_id, text, options, context, kind)
        return ready.prompt, context.told()

    async def choice(
        self,
        conversation_id: str,
        task: Task | None = None,
        speaker: str = "",
        options: TurnOptions = TurnOptions(),
    ) -> Choice:
        """With what replies of a conversation, or a task beside them, are made: model, preset, parameters.

        Args:
            speaker: the member of a group who speaks.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN.
        """

        def read(connection: Connection) -> Choice:
            conversation = load_conversation(connection, conversation_id)
            return self._reader().choice(connection, conversation, options, speaker, task)

        return await self._library.database.read(read)

    async def request(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> tuple[ModelSpec, ModelRequest]:
        """The model, and what `Chat.send` (or another `kind` of turn) would ask it."""
        from lunalux_core.dialogue.nodes.llm import model_request
        from lunalux_core.dialogue.workflow import TurnContext

        ready = await self._ready(conversation_id, text, options, TurnContext(), kind)
        return ready.request.turn.model, model_request(ready)

    async def record(
        self, conversation_id: str, text: str, options: TurnOptions = TurnOptions()
    ) -> Mapping[str, Any]:
        """The record (`turn_record`) of what `Chat.send` would send, with a reason for every worldbook entry.

        Those of past turns are `library.turn_records`.
        """
        from lunalux_core.dialogue.prompt_beginning import with_beginning
        from lunalux_core.dialogue.turn_record import turn_record
        from lunalux_core.dialogue.turn_sampling import sampling_record
        from lunalux_core.dialogue.workflow import Trace, TurnContext

        context = TurnContext(trace=Trace(explain=True))
        ready = await self._ready(conversation_id, text, options, context)
        parameters = sampling_record(ready.request.turn, ready.prompt.form)
        record = turn_record(ready, context.trace, parameters=parameters)
        before = await self._library.records.newest_like(conversation_id, record["model"])
        return await asyncio.to_thread(with_beginning, record, before)

    async def _ready(
        self,
        conversation_id: str,
        text: str,
        options: TurnOptions,
        context: TurnContext,
        kind: TurnKind = "normal",
    ) -> Ready:
        turn = await self.turn(conversation_id, text, options, kind)
        return await self._prompt_line().run(turn, context)

    async def turn(
        self,
        conversation_id: str,
        text: str = "",
        options: TurnOptions = TurnOptions(),
        kind: TurnKind = "normal",
    ) -> TurnInput:
        """All that a turn would be made of."""
        text = well_formed(text)

        def read(connection: Connection) -> TurnInput:
            conversation = load_conversation(connection, conversation_id)
            task = next_task(connection, conversation, text, options, kind)
            return self._reader().read(connection, task, options)

        return await self._library.database.read(read)


def next_task(
    connection: Connection,
    conversation: Conversation,
    text: str,
    options: TurnOptions,
    kind: TurnKind = "normal",
) -> TurnTask:
    """What a turn of a kind would be asked for, were it begun now.

    Raises:
        InvalidInput: NOTHING_TO_CONTINUE.
    """
    head = load_message(connection, conversation.head_id) if conversation.head_id else None
    if kind == "continue":
        if head is None or head.role != "assistant":
            raise nothing_to_continue()
        parent = load_message(connection, head.parent_id) if head.parent_id else None
        return TurnTask(kind, conversation, parent, partial=head.content, speaker=head.speaker)
    if kind == "regenerate" and head is not None:
        answers = head.role == "assistant" and head.parent_id
        above = load_message(connection, head.parent_id) if answers else head
        words, parent, pictures = words_above(connection, above)
        speaker = head.speaker or addressed(connection, conversation, above, options)
        return TurnTask(kind, conversation, parent, words, speaker=speaker, pictures=pictures)
    said = new_message(conversation.id, head, "user", "", text)
    speaker = addressed(connection, conversation, said if text else head, options)
    words = text if kind == "normal" else ""
    return TurnTask(kind, conversation, head, words, speaker=speaker, pictures=options.picture_refs)
