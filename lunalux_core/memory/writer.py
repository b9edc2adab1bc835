"""Writing memories, in the background after a reply or on request.

One task at a time for each conversation. A task is cancelled when a reply of the person's own server begins
and when the program ends; what is due is computed from the messages, so the next start finds it again. A
memory is stored in one transaction, and only if its messages have not changed since they were read and no
other memory covers them; a failure stores a mark with its reason, and nothing of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.language import Language
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import load_conversation, load_message
from lunalux_core.library.groups import load_group
from lunalux_core.library.memories import (
    PERSON,
    Memory,
    add_memory,
    coverage_of,
    fingerprints,
    load_memories,
    load_memory,
    remove_memory,
    settle_memories,
    store_memory,
)
from lunalux_core.memory.answers import MemoryAnswer, UnusableAnswer, checked, read_answer, script_of
from lunalux_core.memory.asking import TurnFormat, asked, request_id
from lunalux_core.memory.background import BackgroundTasks
from lunalux_core.memory.consent import consents, costs, store_consent
from lunalux_core.memory.due import Chapter, Rules, Scene, due_chapter, due_events, due_scenes, is_covered
from lunalux_core.memory.instructions import Wish, again, chapter_wish, scene_wish
from lunalux_core.memory.story import EVENTS

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.registry import Registry

Confirm = Callable[[Sequence[Memory]], Awaitable[bool]]
"""Asks whether the memories are to be stored."""

ATTEMPTS = 2
"""Requests to the model before writing counts as failed."""
PROTECTED_SHARE = 0.3
"""Share of the context window for the newest messages; a scene or two and the memories fit beside them."""
CHAPTER_TIMES = 3
"""How many times as long as a summary a chapter may be."""
PATIENCE = 4
"""Messages that must be added before a conversation is checked again for what is due."""
RESUMED = 5
"""How many of the last used conversations are checked when the program starts."""


@dataclass(frozen=True, slots=True)
class WritingResult:
    """The memories that were stored, the marks of those that failed, and the last error."""

    memories: tuple[Memory, ...] = ()
    failed: tuple[Memory, ...] = ()
    error: LunaluxError | None = None


@dataclass(frozen=True, slots=True)
class _Cast:
    """The language of a conversation, the names in it, and the members of a group."""

    language: Language
    names: tuple[str, ...]
    members: tuple[str, ...] = ()


class MemoryWriter:
    """Writes memories.

    Args:
        settings: gives the current values.
        models: opens models.
        model: gives the model that writes for a conversation; raises NotFound (MODEL_UNKNOWN).
        replying: gives the model that replies there; its window decides which messages are protected.
        billed: called with what the gateway charged.
        turn_format: gives the instruct template of a model of text completion.
    """

    def __init__(
        self,
        library: Library,
        settings: Callable[[], Settings],
        models: Callable[[], Registry],
        model: Callable[[str], Awaitable[ModelSpec]],
        replying: Callable[[str], Awaitable[ModelSpec]],
        billed: Callable[[Mapping[str, object]], Awaitable[None]],
        turn_format: TurnFormat,
    ) -> None:
        self._library = library
        self._settings = settings
        self._models = models
        self._model = model
        self._replying = replying
        self._billed = billed
        self._turn_format = turn_format
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
        spec = await self._model(conversation_id)
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
        try:
            while True:
                length = (await self._library.conversations.get(conversation_id)).length
                # A chat that got shorter (another branch, deleted messages) is always checked again.
                if 0 <= length - self._rested.get(conversation_id, -PATIENCE) < PATIENCE:
                    return
                spec = await self._allowed(conversation_id)
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

    async def _allowed(self, conversation_id: str) -> ModelSpec | None:
        """The model to write with; None where there is none or the person has not agreed to it."""
        spec = await self._model(conversation_id)
        if spec.provider == "practice":
            return None
        if not costs(spec) or self._settings().memory_write == "always":
            return spec
        answers = await consents(self._library)
        # The person is asked only once there is something to write.
        if spec.name not in answers and await self._something_due(conversation_id):
            await self.agree(spec.name, None)
            # The answer None is stored before asking, so that each model is asked about only once.
            self.on_question(conversation_id, spec.name)
        return spec if answers.get(spec.name) is True else None

    async def _something_due(self, conversation_id: str) -> bool:
        rules = await self._rules(conversation_id, everything=False, now=False)
        return bool(await self._library.database.read(lambda c: due_scenes(c, conversation_id, rules)))

    async def _keep_events(self, conversation_id: str) -> bool:
        """Store the event lines of replies as facts, which needs no model; whether there were any."""
        rules = await self._rules(conversation_id, everything=False, now=False)

        def change(connection: Connection) -> bool:
            scenes = due_events(connection, conversation_id, rules)
            for scene in scenes:
                text = "\n".join(message.event for message in scene.messages if message.event)
                wanted = Memory("", conversation_id, "fact", text, made_by=EVENTS)
                add_memory(connection, wanted, scene.coverage)
            return bool(scenes)

        changed = await self._library.database.write(change)
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

        memory, scene = await self._library.database.read(read)
        spec = await self._chosen(memory.conversation_id, model)
        return await self._scene(memory.conversation_id, scene, spec, instruction, also, confirm)

    async def _chosen(self, conversation_id: str, model: str) -> ModelSpec:
        """The model of that name, or the usual one for "". Raises InvalidInput (MEMORY_NO_WRITER)."""
        spec = self._models().resolve(model) if model else await self._model(conversation_id)
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
            rules = await self._rules(conversation_id, everything=everything, now=now)
            try:
                async for piece in self._pieces(conversation_id, spec, rules):
                    total = _joined(total, piece)
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
        database = self._library.database
        whole = True
        await database.write(lambda c: settle_memories(c, conversation_id))
        for scene in await database.read(lambda c: due_scenes(c, conversation_id, rules)):
            written = await self._scene(conversation_id, scene, spec)
            whole = whole and not written.failed
            yield written
        # Only if every scene was written, so that no chapter leaves out a scene that failed.
        while whole and (chapter := await database.read(lambda c: due_chapter(c, conversation_id, rules))):
            written = await self._chapter(conversation_id, chapter, spec)
            whole = bool(written.memories)
            yield written

    async def _rules(self, conversation_id: str, *, everything: bool, now: bool) -> Rules:
        settings = self._settings()
        protected = settings.memory_protected_tokens
        if not protected:
            spec = await self._replying(conversation_id)
            # The window of the model that replies, because the protected messages must fit into it.
            protected = int(min(spec.context_tokens, settings.context_tokens) * PROTECTED_SHARE)
        return Rules(settings.memory_scene_tokens, protected, settings.memory_chapter_scenes, everything, now)

    async def _scene(
        self,
        conversation_id: str,
        scene: Scene,
        spec: ModelSpec,
        instruction: str = "",
        also: str = "",
        confirm: Confirm | None = None,
    ) -> WritingResult:
        cast = await self._library.database.read(lambda c: _cast(c, conversation_id, scene, self._settings()))
        visible = [message for message in scene.messages if not message.hidden and message.content.strip()]
        lines = [(message.name, message.content) for message in visible]
        settings = self._settings()
        own = settings.memory_instruction_zh if cast.language == "zh" else settings.memory_instruction_en
        spoken = {message.name for message in visible if message.role == "assistant"}
        # A member who did not speak in the scene may not have been present.
        members = [member for member in cast.members if member in spoken]
        wish = scene_wish(
            lines,
            cast.language,
            words=settings.memory_summary_words,
            before=scene.before,
            own=instruction or own,
            also=also,
            journals=members,
        )
        key = f"{conversation_id}:{scene.coverage}"
        outcome = await self._ask(
            spec, wish, cast, lines, settings.memory_summary_words, scene.before, key, len(visible)
        )
        if not isinstance(outcome, MemoryAnswer):
            return await self._failed(conversation_id, scene.coverage, outcome, spec, scene.retries)
        memories = _of_scene(conversation_id, scene, outcome, [message.id for message in visible], spec, wish)
        if confirm is not None and not await confirm([memory for memory, _ in memories]):
            return WritingResult()
        stored = await self._library.database.write(
            lambda c: _store(c, conversation_id, memories, scene.coverage, scene.retries)
        )
        return WritingResult(tuple(stored))

    async def _chapter(self, conversation_id: str, chapter: Chapter, spec: ModelSpec) -> WritingResult:
        lines = [(summary.title, summary.text) for summary in chapter.summaries]
        settings = self._settings()
        words = settings.memory_summary_words * CHAPTER_TIMES
        language: Language = "zh" if script_of("".join(text for _, text in lines)) == "han" else "en"
        wish = chapter_wish(lines, language, words=words)
        coverage = await self._library.database.read(lambda c: fingerprints(c, chapter.messages))
        cast = _Cast(language, ())
        outcome = await self._ask(spec, wish, cast, lines, words, "", f"{conversation_id}:{coverage}", 0)
        if not isinstance(outcome, MemoryAnswer):
            # The summaries stay in use, and the chapter is tried again with the next writing.
            return WritingResult(error=_error(outcome))
        memory = Memory(
            "",
            conversation_id,
            "chapter",
            outcome.text,
            outcome.title,
            outcome.keywords
            or tuple(dict.fromkeys(word for summary in chapter.summaries for word in summary.keywords)),
            parts=tuple(summary.id for summary in chapter.summaries),
            made_by=spec.name,
            instruction=wish.wording,
        )
        stored = await self._library.database.write(
            lambda c: _store_chapter(c, memory, coverage, chapter.summaries)
        )
        return WritingResult(tuple(stored))

    async def _ask(
        self,
        spec: ModelSpec,
        wish: Wish,
        cast: _Cast,
        lines: Sequence[tuple[str, str]],
        words: int,
        before: str,
        key: str,
        messages: int,
    ) -> MemoryAnswer | UnusableAnswer | LunaluxError:
        """A checked answer, or why there is none."""
        source = "\n".join(text for _, text in lines)
        names = [name for name in dict.fromkeys([*(name for name, _ in lines), *cast.names]) if name.strip()]
        refused = UnusableAnswer("empty")
        told = wish
        for attempt in range(ATTEMPTS):
            try:
                raw = await asked(
                    self._models(),
                    spec,
                    told,
                    request_id("memory", f"{key}:{attempt}"),
                    self._billed,
                    words=words,
                    language=cast.language,
                    turn_format=self._turn_format,
                )
            except LunaluxError as error:
                return error
            except TimeoutError:
                return UnusableAnswer("empty", "timeout")
            answer = read_answer(raw, messages)
            if isinstance(answer, MemoryAnswer):
                answer = checked(answer, source, names, words=words, earlier=before)
            if isinstance(answer, MemoryAnswer):
                return answer
            refused = answer
            # The second request says what was wrong with the first answer.
            told = again(wish, refused.reason, refused.detail, cast.language)
        return refused

    async def _failed(
        self,
        conversation_id: str,
        coverage: Sequence[tuple[str, str]],
        why: UnusableAnswer | LunaluxError,
        spec: ModelSpec,
        before: Memory | None,
    ) -> WritingResult:
        """Store a mark of the failure, which replaces the mark of an earlier one."""
        error = _error(why)
        reason = why.reason if isinstance(why, UnusableAnswer) else why.code

        def change(connection: Connection) -> Memory | None:
            with suppress(NotFound):
                load_conversation(connection, conversation_id)
                # If rewriting a summary failed, the summary stays.
                if before is not None and before.state != "failed":
                    return None
                tries = before.extra.get("tries") if before is not None else 0
                mark = Memory(
                    before.id if before is not None else "",
                    conversation_id,
                    "summary",
                    "",
                    state="failed",
                    reason=f"{reason}: {error.message}",
                    made_by=spec.name,
                    extra={"tries": (tries if isinstance(tries, int) else 0) + 1},
                    number=before.number if before is not None else 0,
                    first=before.first if before is not None else "",
                    last=before.last if before is not None else "",
                )
                if before is None:
                    return add_memory(connection, mark, coverage)
                store_memory(connection, mark)
                return mark
            return None

        mark = await self._library.database.write(change)
        return WritingResult(failed=(mark,) if mark is not None else (), error=error)


def _error(why: UnusableAnswer | LunaluxError) -> LunaluxError:
    if isinstance(why, LunaluxError):
        return why
    sentences = {
        "empty": "The writer said nothing that could be a memory.",
        "no_json": "The writer's answer could not be read.",
        "language": "The writer answered in another language than the story's.",
        "too_long": "The writer's answer is many times too long.",
        "names": f"The writer's answer names somebody who is not in the story: {why.detail}.",
        "invented": "The writer's answer has nothing to do with the story.",
    }
    return LunaluxError(
        "MEMORY_REFUSED",
        sentences[why.reason],
        "Try again with another model, or write it yourself.",
        kind=why.reason,
        detail=why.detail,
    )


def _joined(first: WritingResult, second: WritingResult) -> WritingResult:
    return WritingResult(
        (*first.memories, *second.memories), (*first.failed, *second.failed), second.error or first.error
    )


def _cast(connection: Connection, conversation_id: str, scene: Scene, settings: Settings) -> _Cast:
    """Names and language; the language is that of the messages, whatever the card says."""
    place = load_conversation(connection, conversation_id)
    members: tuple[str, ...] = ()
    said = "".join(message.content for message in scene.messages)
    if place.group_id:
        group = load_group(connection, place.group_id)
        members = group.names
        names = [group.name, *members]
    else:
        names = [load_character(connection, place.character_id).name]
    language: Language = "zh" if script_of(said) == "han" else "en"
    return _Cast(language, (*names, settings.user_name), members)


def _of_scene(
    conversation_id: str, scene: Scene, answer: MemoryAnswer, ids: Sequence[str], spec: ModelSpec, wish: Wish
) -> list[tuple[Memory, tuple[str, ...]]]:
    """The memories of one answer, each with the messages it covers: the summary, facts, journals."""
    whole = tuple(message.id for message in scene.messages)
    base = Memory("", conversation_id, "summary", "", made_by=spec.name, instruction=wish.wording)
    summary = replace(
        base,
        text=answer.text,
        title=answer.title,
        keywords=answer.keywords,
        sources=tuple(
            {"sentence": sentence, "messages": [ids[number - 1] for number in numbers]}
            for sentence, numbers in answer.sources
        ),
    )
    memories = [(summary, whole)]
    for fact in answer.facts:
        where = (ids[fact.message - 1],) if fact.message else whole
        memories.append((replace(base, kind="fact", text=fact.text, keywords=fact.keywords), where))
    for name, text in answer.journals:
        memories.append((replace(base, kind="journal", text=text, speaker=name), whole))
    return memories


def _store(
    connection: Connection,
    conversation_id: str,
    memories: Sequence[tuple[Memory, tuple[str, ...]]],
    coverage: Sequence[tuple[str, str]],
    retries: Memory | None,
) -> list[Memory]:
    """Store what was written, all of it or nothing: nothing where the story went on differently meanwhile."""
    try:
        load_conversation(connection, conversation_id)
    except NotFound:
        return []
    # The model took minutes: a message may have been edited, swiped or deleted since it was read.
    if fingerprints(connection, [message_id for message_id, _ in coverage]) != list(coverage):
        return []
    # Asked before anything is taken away: a summary that is written anew stays where another covers it.
    instead = retries.id if retries is not None else ""
    if is_covered(connection, conversation_id, [message for message, _ in coverage], besides=instead):
        return []
    if retries is not None:
        _take_back(connection, retries)
    marks = dict(coverage)
    facts = {
        memory.text.casefold()
        for memory in load_memories(connection, conversation_id)
        if memory.kind == "fact"
    }
    stored = []
    for memory, where in memories:
        if memory.kind == "fact" and memory.text.casefold() in facts:
            continue
        facts.add(memory.text.casefold())
        stored.append(
            add_memory(connection, memory, [(message_id, marks[message_id]) for message_id in where])
        )
    return stored


def _take_back(connection: Connection, memory: Memory) -> None:
    """Remove what is written anew: the memory, and the journals that a model wrote of the same scene."""
    for journal in load_memories(connection, memory.conversation_id):
        same_scene = (journal.first, journal.last) == (memory.first, memory.last)
        if (
            journal.kind == "journal"
            and same_scene
            and journal.state != "edited"
            and journal.made_by != PERSON
        ):
            remove_memory(connection, journal.id)
    remove_memory(connection, memory.id)


def _store_chapter(
    connection: Connection, memory: Memory, coverage: Sequence[tuple[str, str]], parts: Sequence[Memory]
) -> list[Memory]:
    try:
        load_conversation(connection, memory.conversation_id)
    except NotFound:
        return []
    here = {memory.id: memory for memory in load_memories(connection, memory.conversation_id)}
    inside = {
        part for memory in here.values() if memory.kind == "chapter" and memory.sound for part in memory.parts
    }
    same = all(
        part.id in here and here[part.id].text == part.text and here[part.id].sound and part.id not in inside
        for part in parts
    )
    return [add_memory(connection, memory, coverage)] if same else []
