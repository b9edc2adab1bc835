"""Revising trackers: by command, after so many replies, or after a memory.

What is due follows from the tree, so nothing is lost when the program ends. A value is stored in one
transaction, and only if the messages it was made of and the value before it still are what was read; a
failure leaves a mark with its reason, and the old value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import LONGEST, Conversation, Message, load_conversation, load_path
from lunalux_core.library.groups import load_group
from lunalux_core.library.memories import coverage_by, fingerprints, load_memories, path_ids
from lunalux_core.library.trackers import (
    Run,
    Tracker,
    TrackerState,
    TrackerValue,
    edit_tracker,
    load_tracker,
    load_trackers,
    standing,
    store_value,
)
from lunalux_core.memory.answers import script_of
from lunalux_core.memory.asking import Form, asked, request_id
from lunalux_core.memory.consent import consents, costs, store_consent
from lunalux_core.memory.instructions import Language
from lunalux_core.trackers.answers import UnusableAnswer, read_value
from lunalux_core.trackers.instructions import once_more, tracker_wish
from lunalux_core.trackers.shape import LONGEST_VALUE

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.registry import Registry

ATTEMPTS = 2
"""Answers that are asked for before a revision has failed."""
MOST_MESSAGES = 40
MOST_CHARACTERS = 40_000
"""Of the messages since, the newest: no more are put before a model at once."""
VALUE_WORDS = 400
"""About how long a value may be."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What came of one tracker: its state now, and why it failed, if it did."""

    standing: TrackerState
    error: LunaluxError | None = None
    asked: bool = True


@dataclass(frozen=True, slots=True)
class _Work:
    """One revision: the tracker as it stands, the messages since its value, where the new one will hang."""

    standing: TrackerState
    messages: tuple[Message, ...]
    head: str
    names: tuple[str, ...]

    @property
    def coverage(self) -> tuple[tuple[str, str], ...]:
        return coverage_by(self.messages)


class TrackerKeeper:
    """Revises trackers.

    Args:
        model: which model revises in a conversation; raises NotFound (MODEL_UNKNOWN).
        billed: told what the gateway said about coins.
        form: how a model of text completion tells turns apart.
        question: told of a model that costs and that nobody has agreed to yet.
    """

    def __init__(
        self,
        library: Library,
        settings: Callable[[], Settings],
        models: Callable[[], Registry],
        model: Callable[[str], Awaitable[ModelSpec]],
        billed: Callable[[Mapping[str, object]], Awaitable[None]],
        form: Form,
        question: Callable[[str, str], None] = lambda conversation_id, model: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._models = models
        self._model = model
        self._billed = billed
        self._form = form
        self._question = question
        self._going: dict[str, list[asyncio.Task[None]]] = {}
        """Of each conversation, in the order in which they wait for each other."""
        self._paid: set[str] = set()
        self._closed = False
        self.on_change: Callable[[str], None] = lambda conversation_id: None
        """Told of each conversation whose trackers changed behind the reply."""

    # -- behind the reply --------------------------------------------------------------------------

    def nudge(self, conversation_id: str, when: Run = "turns") -> None:
        """Look whether a tracker is due, and revise it, while the person goes on."""
        if self._closed or self._settings().tracker_run == "off":
            return
        # One after the other: each revision begins from the value that the one before it has left.
        going = [task for task in self._going.get(conversation_id, ()) if not task.done()]
        before = going[-1] if going else None
        task = asyncio.ensure_future(self._quietly(conversation_id, when, before))
        self._going[conversation_id] = [*going, task]

    def give_way(self) -> None:
        """A reply begins: a server of the person's own is not to be kept from it; what is given up is due
        again after it."""
        for conversation_id, going in self._going.items():
            # A paid model runs elsewhere and does not slow the reply; to stop it would waste what it costs.
            if conversation_id not in self._paid:
                for task in going:
                    task.cancel()

    async def settled(self, conversation_id: str) -> None:
        """Wait until nothing is being revised there; what is given up counts as done."""
        while tasks := {task for task in self._going.get(conversation_id, ()) if not task.done()}:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Give up what is under way."""
        self._closed = True
        tasks = [task for going in self._going.values() for task in going if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _quietly(self, conversation_id: str, when: Run, before: asyncio.Task[None] | None) -> None:
        """Revise what is due; whatever goes wrong is a mark at the tracker and nothing else."""
        if before is not None:
            await asyncio.wait({before})
        with suppress(LunaluxError):  # no such conversation or model any more, a disk that refuses
            if await self.run_due(conversation_id, when):
                self.on_change(conversation_id)

    async def run_due(self, conversation_id: str, when: Run) -> list[Revision]:
        """Revise the trackers that are due after a reply ("turns") or after a memory ("memory").

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN.
        """
        due = await self._library.database.read(lambda c: _due(c, conversation_id, when))
        if not due:
            return []
        spec = await self._model(conversation_id)
        if not await self._allowed(conversation_id, spec):
            return []
        # Noted before the first request, so that a reply that begins meanwhile knows whom it may stop.
        (self._paid.add if costs(spec) else self._paid.discard)(conversation_id)
        return [await self._revise(work, spec) for work in due]

    async def _allowed(self, conversation_id: str, spec: ModelSpec) -> bool:
        if spec.provider == "practice":
            return False
        if not costs(spec) or self._settings().tracker_run == "always":
            return True
        said = await consents(self._library)
        if spec.name not in said:
            # Stored first, so that each model is asked about only once, for memories and trackers alike.
            await store_consent(self._library, spec.name, None)
            self._question(conversation_id, spec.name)
        return said.get(spec.name) is True

    # -- because a person asks for it --------------------------------------------------------------

    async def run(
        self, conversation_id: str, trackers: Sequence[str] = (), model: str = ""
    ) -> list[Revision]:
        """Revise trackers now; those without messages since their value stay as they are.

        Args:
            trackers: their ids; none are all that are switched on.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN. InvalidInput: TRACKER_NO_MODEL.
        """
        place = await self._library.conversations.get(conversation_id)
        spec = self._models().resolve(model) if model else await self._model(place.id)
        if spec.provider == "practice":
            raise InvalidInput(
                "TRACKER_NO_MODEL",
                "The practice model cannot revise trackers.",
                "Choose a model with --model, or put a profile in use for the task tracker.",
            )
        shown = await self._library.trackers.shown(place.id)
        wanted = [
            held for held in shown if (held.tracker.id in trackers if trackers else held.tracker.enabled)
        ]
        revised = []
        for held in wanted:
            # Read only now: the revision before this one took a while, and the chat may have gone on.
            work = await self._library.database.read(lambda c, held=held: _work(c, place.id, held.tracker.id))  # type: ignore[misc]
            revised.append(await self._revise(work, spec) if work.messages else Revision(held, asked=False))
        return revised

    async def _revise(self, work: _Work, spec: ModelSpec) -> Revision:
        outcome = await self._ask(work, spec)
        return await self._library.database.write(lambda c: _stored(c, work, outcome, spec))

    async def _ask(self, work: _Work, spec: ModelSpec) -> str | LunaluxError:
        """The new value, else why there is none."""
        tracker = work.standing.tracker
        old = work.standing.value.value if work.standing.value else ""
        lines = [
            (message.name, message.content)
            for message in work.messages
            if not message.hidden and message.content.strip()
        ]
        said = "\n".join(text for _, text in lines)
        language: Language = "zh" if script_of(said) == "han" else "en"
        # The instruction, the shape and the names count as well: words from there are not invented.
        material = "\n".join((said, old, tracker.instruction, tracker.shape, *work.names))
        wish = told = tracker_wish(tracker, old, lines, language)
        error: LunaluxError = _error(UnusableAnswer("empty"))
        for attempt in range(ATTEMPTS):
            try:
                raw = await asked(
                    self._models(),
                    spec,
                    told,
                    # The same messages and value give the same id, so that a repeated request is paid once.
                    request_id("tracker", f"{tracker.id}:{work.coverage}:{old}:{attempt}"),
                    self._billed,
                    # A long value has to be written whole again; with less room its end would be cut off.
                    words=max(VALUE_WORDS, len(old) // 3),
                    language=language,
                    form=self._form,
                )
            except LunaluxError as failure:
                return failure
            except TimeoutError:
                return _error(UnusableAnswer("empty"))
            value = read_value(raw, tracker, material)
            if isinstance(value, str):
                return value
            error = _error(value)
            told = once_more(wish, value.detail or error.message, language)
        return error


def _due(connection: Connection, conversation_id: str, when: Run) -> list[_Work]:
    place = load_conversation(connection, conversation_id)
    if not any(_runs(tracker, when) for tracker in load_trackers(connection, conversation_id)):
        return []
    path = path_ids(connection, place.head_id)
    works = (
        _work_on(connection, place, path, held)
        for held in standing(connection, conversation_id, path)
        if _runs(held.tracker, when)
    )
    return [work for work in works if work.messages and _is_due(connection, work, when)]


def _runs(tracker: Tracker, when: Run) -> bool:
    return tracker.enabled and tracker.run == when


def _is_due(connection: Connection, work: _Work, when: Run) -> bool:
    tracker = work.standing.tracker
    if tracker.failed_at == work.head and tracker.reason:
        return False  # the same messages failed: once more with the next reply, or when a person asks
    if when == "turns":
        return sum(message.role == "assistant" for message in work.messages) >= tracker.every
    since = work.standing.value.created_at if work.standing.value else 0
    path = frozenset(path_ids(connection, work.head))
    memories = load_memories(connection, tracker.conversation_id)
    return any(memory.usable_on(path) and memory.last and memory.created_at > since for memory in memories)


def _work(connection: Connection, conversation_id: str, tracker_id: str) -> _Work:
    """What is to be done for one tracker; without messages where none came since its value."""
    place = load_conversation(connection, conversation_id)
    path = path_ids(connection, place.head_id)
    held = next(
        (held for held in standing(connection, conversation_id, path) if held.tracker.id == tracker_id), None
    )
    if held is None:
        load_tracker(connection, tracker_id)  # raises
        raise AssertionError(tracker_id)
    return _work_on(connection, place, path, held)


def _work_on(connection: Connection, place: Conversation, path: Sequence[str], held: TrackerState) -> _Work:
    """See `_work`; `path` are the ids of the messages on the branch that is shown, the lowest first."""
    at = held.value.message_id if held.value else ""
    # The path begins at its lowest message, so this place is the number of messages since the value.
    count = path.index(at) if at in path else len(path)
    messages = load_path(connection, place.head_id, min(count, LONGEST)) if count else []
    # Half a reply is not yet what happened in the story.
    while messages and messages[-1].status == "pending":
        messages.pop()
    head = messages[-1].id if messages else place.head_id
    return _Work(held, tuple(_newest(messages)), head, _names(connection, place))


def _newest(messages: Sequence[Message]) -> list[Message]:
    kept: list[Message] = []
    size = 0
    for message in reversed(messages[-MOST_MESSAGES:]):
        size += len(message.content)
        if kept and size > MOST_CHARACTERS:
            break
        kept.append(message)
    return kept[::-1]


def _names(connection: Connection, place: Conversation) -> tuple[str, ...]:
    if place.group_id:
        return load_group(connection, place.group_id).names
    return (load_character(connection, place.character_id).name,)


def _stored(connection: Connection, work: _Work, outcome: str | LunaluxError, spec: ModelSpec) -> Revision:
    """Store a value, or the mark of a failure: neither where things went on differently meanwhile."""
    tracker = work.standing.tracker
    try:
        tracker = load_tracker(connection, tracker.id)
    except NotFound as error:
        return Revision(work.standing, error)
    conversation = tracker.conversation_id
    # The branch as it was read: meanwhile the person may look at another one.
    path = path_ids(connection, work.head)
    before = _now(connection, conversation, tracker.id, path)
    held = work.standing.value.number if work.standing.value else 0
    if isinstance(outcome, LunaluxError):
        reason = f"{outcome.code}: {outcome.message}"
        edit_tracker(connection, tracker.id, failed_at=work.head, reason=reason)
        return Revision(_now(connection, conversation, tracker.id, path), outcome)
    same = fingerprints(connection, [message.id for message in work.messages]) == list(work.coverage)
    if not same or (before.value.number if before.value else 0) != held:
        return Revision(before, asked=False)
    value = TrackerValue(outcome, work.head, spec.name, coverage=work.coverage)
    store_value(connection, tracker.id, value)
    edit_tracker(connection, tracker.id, failed_at="", reason="")
    return Revision(_now(connection, conversation, tracker.id, path))


def _now(connection: Connection, conversation_id: str, tracker_id: str, path: Sequence[str]) -> TrackerState:
    return next(held for held in standing(connection, conversation_id, path) if held.tracker.id == tracker_id)


def checked_by_hand(tracker: Tracker, value: str) -> str:
    """A value that a person gives, as it is kept. Raises InvalidInput (TRACKER_VALUE)."""
    from lunalux_core.text import clean
    from lunalux_core.trackers.shape import departure

    value = clean(value).strip()
    if fault := departure(value, tracker.form, tracker.shape):
        raise InvalidInput(
            "TRACKER_VALUE",
            f"This value does not fit {tracker.name!r}: {fault}.",
            "Correct it; `lunalux tracker show` shows the shape.",
            name=tracker.name,
            fault=fault,
            most=LONGEST_VALUE,
        )
    return value


def _error(why: UnusableAnswer) -> LunaluxError:
    sentences = {
        "empty": "The model said nothing that could be the value.",
        "no_json": "The model's answer could not be read.",
        "shape": f"The model's answer does not fit the shape: {why.detail}.",
        "language": "The model answered in another language than the story's.",
        "names": f"The model's answer names somebody who is not in the story: {why.detail}.",
        "invented": "The model's answer has nothing to do with the story.",
    }
    return LunaluxError(
        "TRACKER_REFUSED",
        sentences[why.reason],
        "The old value stays. Try again with another model, or edit it by hand.",
        kind=why.reason,
        detail=why.detail,
    )
