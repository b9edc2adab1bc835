"""Writing memories, in the background after a reply or on request.

One task at a time for each conversation. A task is cancelled when a reply of the person's own server begins
and when the program ends; what is due is computed from the messages, so the next start finds it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.library.conversations import load_conversation, load_message
from lunalux_core.library.memories import Memory, coverage_of, load_memory, settle_memories
from lunalux_core.memory.background import BackgroundTasks
from lunalux_core.memory.consent import allowed_in_background, consents, costs, store_consent
from lunalux_core.memory.due import Rules, Scene, due_chapter, due_scenes
from lunalux_core.memory.model_requests import TurnFormat
from lunalux_core.memory.storage import store_events
from lunalux_core.memory.summary_writer import Confirm, SummaryWriter, WritingResult

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry

PROTECTED_SHARE = 0.3
"""Share of the context window for the newest messages; a scene or two and the memories fit beside them."""
PATIENCE = 4
"""Messages that must be added before a conversation is checked again for what is due."""
RESUMED = 5
"""How many of the last used conversations are checked when the program starts."""


class MemoryWriter:
    """Writes memories.

    Args:
        settings: gives the current values.
        models: opens models.
        model: reads which model writes for a conversation; raises NotFound (MODEL_UNKNOWN).
        replying: reads which model replies there; its window decides which messages are protected.
        billed: called with what the gateway charged.
        turn_format: gives the instruct template of a model of text completion.
    """

    def __init__(
        self,
        library: Library,
        settings: Callable[[], Settings],
        models: Callable[[], Registry],
        model: Callable[[Connection, str], ModelSpec],
        replying: Callable[[Connection, str], ModelSpec],
        billed: Callable[[Mapping[str, object]], Awaitable[None]],
        turn_format: TurnFormat,
    ) -> None:
        self._library = library
        self._database = library.database
        self._settings = settings
        self._models = models
        self._model = model
        self._replying = replying
        self._summaries = SummaryWriter(library, settings, models, billed, turn_format)
        self._tasks = BackgroundTasks()
        self._again: set[str] = set()
        """Conversations that their running task has to check once more before it ends."""
        self._writing: dict[str, asyncio.Lock] = {}
        self._rested: dict[str, int] = {}
        """The length of each conversation when nothing was due in it."""
        self.on_change: Callable[[str], None] = lambda conversation_id: None
        """Called with each conversation whose memories changed in the background."""
        self.on_question: Callable[[str, str], None] = lambda conversation_id, model: None
        """Called once for each model that costs and that the person has not agreed to yet; see `agree`."""
        self.on_written: Callable[[str], None] = lambda conversation_id: None
        """Called with each conversation in which memories were written in the background."""

    # -- in the background -------------------------------------------------------------------------

    def nudge(self, conversation_id: str) -> None:
        """Check whether something is due, and write it in a background task."""
        if self._settings().memory_write == "off":
            return
        if self._tasks.running(conversation_id):
            # For what became due after the running task began.
            self._again.add(conversation_id)
            return
        self._again.discard(conversation_id)
        self._tasks.start(conversation_id, lambda: self._write_due(conversation_id))

    def give_way(self) -> None:
        """Cancel tasks that run on free models, so that they do not slow the reply. What is due stays due."""
        self._tasks.give_way()

    async def resume(self) -> None:
        """Write what was still due when the program ended last."""
        for place in await self._library.conversations.list(limit=RESUMED):
            self.nudge(place.id)

    async def agree(self, model: str, yes: bool | None) -> None:
        """Store the answer for a model that costs; None: the person was asked and has not answered."""
        self._rested.clear()
        await store_consent(self._library, model, yes)

    async def waiting_for(self, conversation_id: str) -> str:
        """The model that would write here, if it costs and the person has not agreed to it; else "".

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN.
        """
        spec = await self._database.read(lambda c: self._model(c, conversation_id))
        if not costs(spec) or self._settings().memory_write != "auto":
            return ""
        return "" if (await consents(self._library)).get(spec.name) is True else spec.name

    async def settled(self, conversation_id: str) -> None:
        """Wait until no task runs for the conversation; a cancelled task counts as done."""
        await self._tasks.settled(conversation_id)

    async def close(self) -> None:
        """Cancel all tasks and start no more."""
        await self._tasks.close()

    async def _write_due(self, conversation_id: str) -> None:
        """Write what is due; an error is shown only as the mark of a failed memory."""

        def look(connection: Connection) -> tuple[int, ModelSpec | None]:
            """The length, and the model that writes where it is time to check what is due."""
            length = load_conversation(connection, conversation_id).length
            # A chat that got shorter (another branch, deleted messages) is always checked again.
            rests = 0 <= length - self._rested.get(conversation_id, -PATIENCE) < PATIENCE
            return length, None if rests else self._model(connection, conversation_id)

        try:
            while True:
                length, model = await self._database.read(look)
                if model is None:
                    return
                spec = model if await self._allowed(conversation_id, model) else None
                if spec is None:
                    if not await self._keep_events(conversation_id):
                        self._rested[conversation_id] = length
                else:
                    # Set before the first request, for `give_way`.
                    self._tasks.paid(conversation_id, costs(spec))
                    written = await self._write(conversation_id, spec, everything=False, now=False)
                    if written.memories or written.failed:
                        self.on_change(conversation_id)
                    else:
                        self._rested[conversation_id] = length
                    if written.memories:
                        self.on_written(conversation_id)
                if conversation_id not in self._again:
                    return
                self._again.discard(conversation_id)
        except LunaluxError:  # the conversation or model is gone, or the disk cannot be written
            return

    async def _allowed(self, conversation_id: str, spec: ModelSpec) -> bool:
        """Whether the model can write, and the person has agreed to it."""

        async def ask() -> None:
            # The person is asked only once there is something to write.
            if await self._something_due(conversation_id):
                await self.agree(spec.name, None)
                self.on_question(conversation_id, spec.name)

        always = self._settings().memory_write == "always"
        return await allowed_in_background(self._library, spec, always=always, ask=ask)

    async def _something_due(self, conversation_id: str) -> bool:
        return bool(
            await self._database.read(
                lambda c: due_scenes(c, conversation_id, self._rules(c, conversation_id))
            )
        )

    async def _keep_events(self, conversation_id: str) -> bool:
        """Without a model: store the event lines of replies as facts; whether there were any."""
        changed = await self._database.write(
            lambda c: store_events(c, conversation_id, self._rules(c, conversation_id))
        )
        if changed:
            self.on_change(conversation_id)
        return changed

    # -- writing -----------------------------------------------------------------------------------

    async def write(
        self, conversation_id: str, *, everything: bool = False, model: str = ""
    ) -> WritingResult:
        """Write what is due now, as the person asked.

        Args:
            everything: also what is shorter than a scene, up to the last few messages.
            model: the model to write with; "" for the usual one.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN. InvalidInput: MEMORY_NO_WRITER.
        """
        place = await self._library.conversations.get(conversation_id)
        spec = await self._chosen(place.id, model)
        return await self._write(place.id, spec, everything=everything, now=True)

    async def rewrite(
        self,
        memory_id: str,
        instruction: str = "",
        model: str = "",
        *,
        also: str = "",
        confirm: Confirm | None = None,
    ) -> WritingResult:
        """Write the summary of the same messages again.

        Args:
            instruction: replaces the usual one.
            also: is added to the instruction.
            confirm: called with what would be stored; if it returns False, the memory is not changed.

        Raises:
            NotFound: MEMORY_NOT_FOUND, MESSAGE_NOT_FOUND. InvalidInput: MEMORY_NO_WRITER.
        """

        def read(connection: Connection) -> tuple[Memory, Scene]:
            memory = load_memory(connection, memory_id)
            messages = [
                load_message(connection, message_id) for message_id, _ in coverage_of(connection, memory_id)
            ]
            if not messages:
                raise NotFound(
                    "MESSAGE_NOT_FOUND", "This memory covers no messages.", "Edit its words instead."
                )
            return memory, Scene(tuple(messages), retries=memory)

        memory, scene = await self._database.read(read)
        spec = await self._chosen(memory.conversation_id, model)
        return await self._summaries.scene(memory.conversation_id, scene, spec, instruction, also, confirm)

    async def _chosen(self, conversation_id: str, model: str) -> ModelSpec:
        """The model of that name, or the usual one for "". Raises InvalidInput (MEMORY_NO_WRITER)."""
        if model:
            spec = self._models().resolve(model)
        else:
            spec = await self._database.read(lambda c: self._model(c, conversation_id))
        if spec.provider == "practice":
            raise InvalidInput(
                "MEMORY_NO_WRITER",
                "The practice model cannot write memories.",
                "Choose a model with --model, or in the settings.",
            )
        return spec

    async def _write(
        self, conversation_id: str, spec: ModelSpec, *, everything: bool, now: bool
    ) -> WritingResult:
        """Write scenes, then chapters; stop if the conversation is deleted meanwhile."""
        lock = self._writing.setdefault(conversation_id, asyncio.Lock())
        total = WritingResult()
        async with lock:
            rules = await self._database.read(
                lambda c: self._rules(c, conversation_id, everything=everything, now=now)
            )
            try:
                async for piece in self._pieces(conversation_id, spec, rules):
                    total = total.joined(piece)
                    # In the background, stop after one failure: the next scene would ask the same server.
                    if total.failed and not now:
                        break
            except NotFound as error:
                if error.code != "CONVERSATION_NOT_FOUND":
                    raise
        return total

    async def _pieces(
        self, conversation_id: str, spec: ModelSpec, rules: Rules
    ) -> AsyncGenerator[WritingResult, None]:
        database = self._database
        whole = True
        await database.write(lambda c: settle_memories(c, conversation_id))
        for scene in await database.read(lambda c: due_scenes(c, conversation_id, rules)):
            written = await self._summaries.scene(conversation_id, scene, spec)
            whole = whole and not written.failed
            yield written
        # Only if every scene was written, so that no chapter leaves out a scene that failed.
        while whole and (chapter := await database.read(lambda c: due_chapter(c, conversation_id, rules))):
            written = await self._summaries.chapter(conversation_id, chapter, spec)
            whole = bool(written.memories)
            yield written

    def _rules(
        self, connection: Connection, conversation_id: str, *, everything: bool = False, now: bool = False
    ) -> Rules:
        settings = self._settings()
        protected = settings.memory_protected_tokens
        if not protected:
            spec = self._replying(connection, conversation_id)
            # The window of the model that replies, because the protected messages must fit into it.
            protected = int(min(spec.context_tokens, settings.context_tokens) * PROTECTED_SHARE)
        return Rules(settings.memory_scene_tokens, protected, settings.memory_chapter_scenes, everything, now)
