"""One memory, written by a model: a summary of a scene with its facts and journals, or a chapter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.errors import LunaluxError
from lunalux_core.language import Language
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import load_conversation
from lunalux_core.library.groups import load_group
from lunalux_core.library.memories import Memory, fingerprints
from lunalux_core.memory.due import Chapter, Scene
from lunalux_core.memory.memory_answers import MemoryAnswer, UnusableAnswer, checked, read_answer, script_of
from lunalux_core.memory.memory_instructions import Wish, again, chapter_wish, scene_wish
from lunalux_core.memory.model_requests import ModelRequests, TurnFormat
from lunalux_core.memory.storage import store_chapter, store_failure, store_scene

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.llm.whole_answer import Charged

Confirm = Callable[[Sequence[Memory]], Awaitable[bool]]
"""Asks whether the memories are to be stored."""

CHAPTER_TIMES = 3
"""How many times as long as a summary a chapter may be."""


@dataclass(frozen=True, slots=True)
class WritingResult:
    """The memories that were stored, the marks of those that failed, and the last error."""

    memories: tuple[Memory, ...] = ()
    failed: tuple[Memory, ...] = ()
    error: LunaluxError | None = None

    def joined(self, later: WritingResult) -> WritingResult:
        """Both results as one."""
        return WritingResult(
            (*self.memories, *later.memories), (*self.failed, *later.failed), later.error or self.error
        )


@dataclass(frozen=True, slots=True)
class _Request:
    """What a model is asked, and what its answer is checked against.

    Args:
        lines: the names and texts that the memory is about; for a chapter, titles and summaries.
        words: about how long the answer may be.
        key: the same for the same request, so that it is paid once.
        names: other names that the answer may have.
        before: the memory of what happened earlier.
        messages: how many numbered messages the answer can name as its sources.
    """

    wish: Wish
    language: Language
    lines: Sequence[tuple[str, str]]
    words: int
    key: str
    names: tuple[str, ...] = ()
    before: str = ""
    messages: int = 0


@dataclass(frozen=True, slots=True)
class _Cast:
    """The language of a conversation, the names in it, and the members of a group."""

    language: Language
    names: tuple[str, ...]
    members: tuple[str, ...] = ()


class SummaryWriter:
    """Asks a model for one memory, checks its answer and stores it.

    Args:
        settings: gives the current values.
        models: opens models.
        billed: called with what the gateway charged.
        turn_format: gives the instruct template of a model of text completion.
    """

    def __init__(
        self,
        library: Library,
        settings: Callable[[], Settings],
        models: Callable[[], Registry],
        billed: Charged,
        turn_format: TurnFormat,
    ) -> None:
        self._library = library
        self._settings = settings
        self._requests = ModelRequests(models, billed, turn_format)

    async def scene(
        self,
        conversation_id: str,
        scene: Scene,
        spec: ModelSpec,
        instruction: str = "",
        also: str = "",
        confirm: Confirm | None = None,
    ) -> WritingResult:
        """Write the summary of a scene, with its facts and journals; a failure stores a mark.

        Args:
            instruction: replaces the usual one.
            also: is added to the instruction.
            confirm: called with what would be stored; if it returns False, nothing is stored.
        """
        cast = await self._library.database.read(lambda c: _cast(c, conversation_id, scene, self._settings()))
        visible = [message for message in scene.messages if not message.hidden and message.content.strip()]
        lines = [(message.name, message.content) for message in visible]
        settings = self._settings()
        own = settings.memory_instruction_zh if cast.language == "zh" else settings.memory_instruction_en
        spoken = {message.name for message in visible if message.role == "assistant"}
        words = settings.memory_summary_words
        wish = scene_wish(
            lines,
            cast.language,
            words=words,
            before=scene.before,
            own=instruction or own,
            also=also,
            # A member who did not speak in the scene may not have been present.
            journals=[member for member in cast.members if member in spoken],
        )
        key = f"{conversation_id}:{scene.coverage}"
        request = _Request(wish, cast.language, lines, words, key, cast.names, scene.before, len(visible))
        outcome = await self._answer(spec, request)
        if not isinstance(outcome, MemoryAnswer):
            return await self._failed(conversation_id, scene, outcome, spec)
        base = Memory("", conversation_id, "summary", "", made_by=spec.name, instruction=wish.wording)
        memories = _memories(base, scene, outcome, [message.id for message in visible])
        if confirm is not None and not await confirm([memory for memory, _ in memories]):
            return WritingResult()
        stored = await self._library.database.write(
            lambda c: store_scene(c, conversation_id, scene, memories)
        )
        return WritingResult(tuple(stored))

    async def chapter(self, conversation_id: str, chapter: Chapter, spec: ModelSpec) -> WritingResult:
        """Write a chapter of summaries; a failure stores nothing."""
        lines = [(summary.title, summary.text) for summary in chapter.summaries]
        words = self._settings().memory_summary_words * CHAPTER_TIMES
        language: Language = "zh" if script_of("".join(text for _, text in lines)) == "han" else "en"
        wish = chapter_wish(lines, language, words=words)
        coverage = await self._library.database.read(lambda c: fingerprints(c, chapter.messages))
        request = _Request(wish, language, lines, words, f"{conversation_id}:{coverage}")
        outcome = await self._answer(spec, request)
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
            lambda c: store_chapter(c, memory, coverage, chapter.summaries)
        )
        return WritingResult(tuple(stored))

    async def _answer(
        self, spec: ModelSpec, request: _Request
    ) -> MemoryAnswer | UnusableAnswer | LunaluxError:
        """A checked answer, or why there is none."""
        source = "\n".join(text for _, text in request.lines)
        named = dict.fromkeys([*(name for name, _ in request.lines), *request.names])
        names = [name for name in named if name.strip()]

        def read(raw: str) -> MemoryAnswer | UnusableAnswer:
            answer = read_answer(raw, request.messages)
            if isinstance(answer, UnusableAnswer):
                return answer
            return checked(answer, source, names, words=request.words, earlier=request.before)

        try:
            return await self._requests.usable_answer(
                spec,
                request.wish,
                ("memory", request.key),
                read,
                lambda refused: again(request.wish, refused.reason, refused.detail, request.language),
                words=request.words,
                language=request.language,
            )
        except LunaluxError as error:
            return error
        except TimeoutError:
            return UnusableAnswer("empty", "timeout")

    async def _failed(
        self, conversation_id: str, scene: Scene, why: UnusableAnswer | LunaluxError, spec: ModelSpec
    ) -> WritingResult:
        """The result of a scene without an answer; its mark is stored."""
        error = _error(why)
        code = why.reason if isinstance(why, UnusableAnswer) else why.code
        reason = f"{code}: {error.message}"
        mark = await self._library.database.write(
            lambda c: store_failure(c, conversation_id, scene, reason, spec.name)
        )
        return WritingResult(failed=(mark,) if mark is not None else (), error=error)


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


def _memories(
    base: Memory, scene: Scene, answer: MemoryAnswer, ids: Sequence[str]
) -> list[tuple[Memory, tuple[str, ...]]]:
    """The memories of one answer, each with the messages it covers: the summary, facts, journals.

    Args:
        base: what all of them have in common.
        ids: the messages that the answer's numbers mean.
    """
    whole = tuple(message.id for message in scene.messages)
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
