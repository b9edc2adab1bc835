"""Revising trackers: on request, in the background after a number of replies, or after a memory.

Whether a revision is due is computed from the messages, so nothing is lost when the program ends. A value is
stored in one transaction, and only if neither its messages nor the value before it have changed since they
were read. A failure stores the reason and keeps the old value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.language import Language
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import LONGEST, Conversation, Message, load_conversation, load_path
from lunalux_core.library.groups import load_group
from lunalux_core.library.memories import coverage_by, fingerprints, load_memories, path_ids
from lunalux_core.library.trackers import (
    Tracker,
    TrackerRun,
    TrackerState,
    TrackerValue,
    edit_tracker,
    load_tracker,
    load_trackers,
    states_on_branch,
    store_value,
)
from lunalux_core.memory.background import BackgroundTasks
from lunalux_core.memory.consent import allowed_in_background, costs, store_consent
from lunalux_core.memory.memory_answers import UnusableAnswer, script_of
from lunalux_core.memory.model_requests import ModelRequests, TurnFormat
from lunalux_core.trackers.shape import LONGEST_VALUE
from lunalux_core.trackers.tracker_answers import read_value
from lunalux_core.trackers.tracker_instructions import once_more, tracker_wish

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry

MOST_MESSAGES = 40
MOST_CHARACTERS = 40_000
"""Limits for one request: of the messages since the last value, only the newest that fit are sent."""
VALUE_WORDS = 400
"""About how many words a value may have."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of one tracker after a revision, and why it failed, if it did.

    Args:
        asked: whether a model was asked and its answer applied to this state.
    """

    state: TrackerState
    error: LunaluxError | None = None
    asked: bool = True


@dataclass(frozen=True, slots=True)
class _Material:
    """What one revision reads.

    Args:
        state: the tracker and its value before the revision.
        messages: those since that value, oldest first.
        head: id of the message that the new value will belong to.
        names: of the character or of the members of the group.
    """

    state: TrackerState
    messages: tuple[Message, ...]
    head: str
    names: tuple[str, ...]

    @property
    def coverage(self) -> tuple[tuple[str, str], ...]:
        return coverage_by(self.messages)


class TrackerKeeper:
    """Revises trackers.

    Args:
        model: gives the model that revises in a conversation; raises NotFound (MODEL_UNKNOWN).
        billed: called with what the gateway charged.
        turn_format: gives the instruct template of a model of text completion.
        question: called with a conversation and a model that costs and that the person has not agreed to yet.
    """

    def __init__(
        self,
        library: Library,
        settings: Callable[[], Settings],
        models: Callable[[], Registry],
        model: Callable[[str], Awaitable[ModelSpec]],
        billed: Callable[[Mapping[str, object]], Awaitable[None]],
        turn_format: TurnFormat,
        question: Callable[[str, str], None] = lambda conversation_id, model: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._models = models
        self._model = model
        self._requests = ModelRequests(models, billed, turn_format)
        self._question = question
        self._tasks = BackgroundTasks()
        self.on_change: Callable[[str], None] = lambda conversation_id: None
        """Called with each conversation whose trackers changed in the background."""

    # -- in the background -------------------------------------------------------------------------

    def nudge(self, conversation_id: str, when: TrackerRun = "turns") -> None:
        """Revise the trackers that are due, in a background task."""
        if self._settings().tracker_run != "off":
            # Each task begins after the one before it, because it revises the value which that one stores.
            self._tasks.start(conversation_id, lambda: self._revise_due(conversation_id, when))

    def give_way(self) -> None:
        """Cancel revisions that run on free models, so that they do not slow the reply. They are due again
        after it."""
        self._tasks.give_way()

    async def settled(self, conversation_id: str) -> None:
        """Wait until no revision runs in the conversation; a cancelled one counts as done."""
        await self._tasks.settled(conversation_id)

    async def close(self) -> None:
        """Cancel all revisions and start no more."""
        await self._tasks.close()

    async def _revise_due(self, conversation_id: str, when: TrackerRun) -> None:
        """Revise what is due; an error is shown only as the mark at its tracker."""
        with suppress(LunaluxError):  # the conversation or model is gone, or the disk cannot be written
            if await self.run_due(conversation_id, when):
                self.on_change(conversation_id)

    async def run_due(self, conversation_id: str, when: TrackerRun) -> list[Revision]:
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
        # Set before the first request, for `give_way`.
        self._tasks.paid(conversation_id, costs(spec))
        return [await self._revise(material, spec) for material in due]

    async def _allowed(self, conversation_id: str, spec: ModelSpec) -> bool:
        """Whether the model may be used in the background; asks the person about one that costs."""

        async def ask() -> None:
            await store_consent(self._library, spec.name, None)
            self._question(conversation_id, spec.name)

        always = self._settings().tracker_run == "always"
        return await allowed_in_background(self._library, spec, always=always, ask=ask)

    # -- on request --------------------------------------------------------------------------------

    async def run(
        self, conversation_id: str, trackers: Sequence[str] = (), model: str = ""
    ) -> list[Revision]:
        """Revise trackers now; those without messages since their value are not changed.

        Args:
            trackers: ids to revise; empty: all enabled trackers.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND, MODEL_UNKNOWN. InvalidInput: TRACKER_NO_MODEL.
        """
        conversation = await self._library.conversations.get(conversation_id)
        spec = self._models().resolve(model) if model else await self._model(conversation.id)
        if spec.provider == "practice":
            raise InvalidInput(
                "TRACKER_NO_MODEL",
                "The practice model cannot revise trackers.",
                "Choose a model with --model, or put a profile in use for the task tracker.",
            )
        states = await self._library.trackers.shown(conversation.id)
        revised = []
        for state in states:
            if not (state.tracker.id in trackers if trackers else state.tracker.enabled):
                continue
            # Read only now, because the chat may have gone on during the revision before this one.
            material = await self._library.database.read(
                lambda c, tracker_id=state.tracker.id: _material_of(c, conversation.id, tracker_id)  # type: ignore[misc]
            )
            if material.messages:
                revised.append(await self._revise(material, spec))
            else:
                revised.append(Revision(state, asked=False))
        return revised

    async def _revise(self, material: _Material, spec: ModelSpec) -> Revision:
        outcome = await self._ask(material, spec)
        return await self._library.database.write(lambda c: _stored(c, material, outcome, spec))

    async def _ask(self, material: _Material, spec: ModelSpec) -> str | LunaluxError:
        """The new value, or why there is none."""
        tracker = material.state.tracker
        old = material.state.value.value if material.state.value else ""
        lines = [
            (message.name, message.content)
            for message in material.messages
            if not message.hidden and message.content.strip()
        ]
        said = "\n".join(text for _, text in lines)
        language: Language = "zh" if script_of(said) == "han" else "en"
        # Words of the instruction, the shape and the names may occur in the value too.
        source = "\n".join((said, old, tracker.instruction, tracker.shape, *material.names))
        wish = tracker_wish(tracker, old, lines, language)
        try:
            value = await self._requests.usable_answer(
                spec,
                wish,
                ("tracker", f"{tracker.id}:{material.coverage}:{old}"),
                lambda raw: read_value(raw, tracker, source),
                lambda refused: once_more(wish, refused.detail or _error(refused).message, language),
                # The answer repeats the whole value, so a long one needs more room.
                words=max(VALUE_WORDS, len(old) // 3),
                language=language,
            )
        except LunaluxError as error:
            return error
        except TimeoutError:
            return _error(UnusableAnswer("empty"))
        return value if isinstance(value, str) else _error(value)


def _due(connection: Connection, conversation_id: str, when: TrackerRun) -> list[_Material]:
    conversation = load_conversation(connection, conversation_id)
    if not any(_runs(tracker, when) for tracker in load_trackers(connection, conversation_id)):
        return []
    path = path_ids(connection, conversation.head_id)
    materials = (
        _material_on_branch(connection, conversation, path, state)
        for state in states_on_branch(connection, conversation_id, path)
        if _runs(state.tracker, when)
    )
    return [material for material in materials if material.messages and _is_due(connection, material, when)]


def _runs(tracker: Tracker, when: TrackerRun) -> bool:
    return tracker.enabled and tracker.run == when


def _is_due(connection: Connection, material: _Material, when: TrackerRun) -> bool:
    tracker = material.state.tracker
    if tracker.failed_at == material.head and tracker.reason:
        return False  # it failed with the same messages: tried again after the next reply, or on request
    if when == "turns":
        return sum(message.role == "assistant" for message in material.messages) >= tracker.every
    since = material.state.value.created_at if material.state.value else 0
    path = frozenset(path_ids(connection, material.head))
    memories = load_memories(connection, tracker.conversation_id)
    return any(memory.usable_on(path) and memory.last and memory.created_at > since for memory in memories)


def _material_of(connection: Connection, conversation_id: str, tracker_id: str) -> _Material:
    """The material of one tracker on the branch that is shown; no messages if none came since its value."""
    conversation = load_conversation(connection, conversation_id)
    path = path_ids(connection, conversation.head_id)
    states = states_on_branch(connection, conversation_id, path)
    state = next((state for state in states if state.tracker.id == tracker_id), None)
    if state is None:
        load_tracker(connection, tracker_id)  # raises
        raise AssertionError(tracker_id)
    return _material_on_branch(connection, conversation, path, state)


def _material_on_branch(
    connection: Connection, conversation: Conversation, path: Sequence[str], state: TrackerState
) -> _Material:
    """See `_material_of`; `path` are the ids of the messages on the branch, the newest first."""
    at = state.value.message_id if state.value else ""
    # The path begins with the newest message, so this index is the number of messages since the value.
    count = path.index(at) if at in path else len(path)
    messages = load_path(connection, conversation.head_id, min(count, LONGEST)) if count else []
    # An unfinished reply is not part of the story yet.
    while messages and messages[-1].status == "pending":
        messages.pop()
    head = messages[-1].id if messages else conversation.head_id
    return _Material(state, tuple(_newest(messages)), head, _names(connection, conversation))


def _newest(messages: Sequence[Message]) -> list[Message]:
    """The newest messages within `MOST_MESSAGES` and `MOST_CHARACTERS`, at least one."""
    kept: list[Message] = []
    size = 0
    for message in reversed(messages[-MOST_MESSAGES:]):
        size += len(message.content)
        if kept and size > MOST_CHARACTERS:
            break
        kept.append(message)
    return kept[::-1]


def _names(connection: Connection, conversation: Conversation) -> tuple[str, ...]:
    if conversation.group_id:
        return load_group(connection, conversation.group_id).names
    return (load_character(connection, conversation.character_id).name,)


def _stored(
    connection: Connection, material: _Material, outcome: str | LunaluxError, spec: ModelSpec
) -> Revision:
    """Store the value or the failure; no value if the messages or the old value changed meanwhile."""
    try:
        tracker = load_tracker(connection, material.state.tracker.id)
    except NotFound as error:
        return Revision(material.state, error)
    conversation_id = tracker.conversation_id
    # The branch that was read, because another one may be shown by now.
    path = path_ids(connection, material.head)
    if isinstance(outcome, LunaluxError):
        reason = f"{outcome.code}: {outcome.message}"
        edit_tracker(connection, tracker.id, failed_at=material.head, reason=reason)
        return Revision(_current_state(connection, conversation_id, tracker.id, path), outcome)
    state = _current_state(connection, conversation_id, tracker.id, path)
    same = fingerprints(connection, [message.id for message in material.messages]) == list(material.coverage)
    if not same or _value_number(state) != _value_number(material.state):
        return Revision(state, asked=False)
    value = TrackerValue(outcome, material.head, spec.name, coverage=material.coverage)
    store_value(connection, tracker.id, value)
    edit_tracker(connection, tracker.id, failed_at="", reason="")
    return Revision(_current_state(connection, conversation_id, tracker.id, path))


def _value_number(state: TrackerState) -> int:
    """The row number of the value that counts, 0 if there is none."""
    return state.value.number if state.value else 0


def _current_state(
    connection: Connection, conversation_id: str, tracker_id: str, path: Sequence[str]
) -> TrackerState:
    states = states_on_branch(connection, conversation_id, path)
    return next(state for state in states if state.tracker.id == tracker_id)


def checked_by_hand(tracker: Tracker, value: str) -> str:
    """A value from the person, cleaned. Raises InvalidInput (TRACKER_VALUE) if it does not fit the shape."""
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
