"""A turn as one variant has it: all that its reply is made of, without a trace in any conversation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lunalux_core.dialogue.direction import Direction
from lunalux_core.dialogue.turn import TurnInput, TurnOptions, TurnTask
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.importing.card_import import new_character
from lunalux_core.importing.shelf_documents import read_worldbook_document
from lunalux_core.lab.experiment import Experiment, LabTurn, LabVariant, Said, Trial
from lunalux_core.lab.experiment_file import Table, mistake, unknown_book
from lunalux_core.library.character_list import CharacterSummary
from lunalux_core.library.characters import Character
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    load_conversation,
    load_message,
    new_message,
)
from lunalux_core.library.name_lookup import LEAST_BEGINNING
from lunalux_core.library.presets import named_preset
from lunalux_core.presets.document import parse_preset
from lunalux_core.regular_files import read_regular
from lunalux_core.templates.template_values import ReplyStart
from lunalux_core.text import well_formed
from lunalux_core.worldbook.book_reader import Book, own_settings, read_book
from lunalux_core.worldbook.engine import ActiveBook

if TYPE_CHECKING:
    from lunalux_core.cards.card_reader import LoadedCard
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.profile_choice import ProfileGap
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.presets.document import Preset
    from lunalux_core.runtime import Runtime

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Meant:
    """What the names of a variant stand for. `left_out` collects which of the books to leave out were there,
    `books_seen` which there were."""

    options: TurnOptions
    preset: Preset | None = None
    card: Character | None = None
    books: tuple[ActiveBook, ...] = ()
    without: frozenset[str] = frozenset()
    template: str = ""
    left_out: set[str] = field(default_factory=set)
    books_seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a turn stands: in a conversation, or nowhere, with a character of the library or of a file."""

    conversation: Conversation
    message_id: str = ""
    character: Character | None = None


class Inputs:
    """Makes turns of an experiment. What its names stand for is looked up once.

    Raises (from its methods):
        InvalidInput: LAB_FILE_INVALID for what the file names and cannot be used.
        LunaluxError: as any turn.
    """

    def __init__(self, runtime: Runtime, experiment: Experiment) -> None:
        self._runtime = runtime
        self._experiment = experiment
        self._meant: dict[str, _Meant] = {}
        self._places: dict[str, _Place] = {}

    async def of(self, trial: Trial, request: str = "") -> TurnInput:
        """All that a reply is made of; `request` names the wish to whoever charges for it."""
        turn, variant = trial.turn, trial.variant
        place = await self._place(turn)
        meant = await self._meaning(variant)
        options = replace(meant.options, user_name=turn.user)
        if place.conversation.group_id and meant.card is not None:
            raise mistake(self._experiment, "variants", variant.number, "card", _no_card_in_groups())
        if variant.seed is not None:
            # Each repeat draws anew, and so does the same repeat everywhere alike.
            options = replace(
                options, parameters={**options.parameters, "seed": variant.seed + trial.repeat - 1}
            )
        reader = self._runtime.reader
        make = _recorded if place.conversation.id else _made
        try:
            read = await self._runtime.library.database.read(
                lambda c: make(c, reader, turn, place, meant, options)
            )
        except NotFound as error:
            # Whatever else a turn needs and does not find, a model of the settings for one.
            raise mistake(self._experiment, "turns", turn.number, "", error) from None
        for gap in read.gaps:
            # Elsewhere the next choice stands in; here it would be compared under a wrong name, and paid.
            raise mistake(self._experiment, "variants", variant.number, "profile", _lacking(gap))
        read = self._with_template(self._with_books(read, meant), variant, meant)
        attempt, dice = read.attempt + trial.repeat - 1, f"{turn.name}\n{trial.repeat}"
        return replace(read, attempt=attempt, request=request, dice=dice)

    def check_books(self, variant: LabVariant) -> None:
        """Raises InvalidInput for a book to leave out that none of the turns so far had."""
        meant = self._meant[variant.name]
        for name in variant.without:
            if name != "*" and name.casefold() not in meant.left_out:
                raise unknown_book(self._experiment, variant.number, name, sorted(meant.books_seen))

    # -- what names stand for ----------------------------------------------------------------------

    async def _place(self, turn: LabTurn) -> _Place:
        place = self._places.get(turn.name)
        if place is None:
            place = self._places[turn.name] = await self._find(turn)
        return place

    async def _find(self, turn: LabTurn) -> _Place:
        library = self._runtime.library

        def wrong(key: str, error: LunaluxError) -> InvalidInput:
            return mistake(self._experiment, "turns", turn.number, key, error)

        if turn.conversation:
            try:
                conversation = await library.conversations.named(turn.conversation)
            except NotFound as error:
                raise wrong("conversation", error) from None
            try:
                return _Place(conversation, await self._message(conversation, turn.message))
            except LunaluxError as error:
                raise wrong("message" if turn.message else "conversation", error) from None
        if turn.card is not None:
            character = await self._read("turns", turn.number, "card", turn.card, _character)
            return _Place(_nowhere(""), character=character)
        # Before it the characters that come with the program are not in the library yet.
        await self._runtime.first_start()
        try:
            character = await library.characters.find(turn.character)
        except LunaluxError as error:
            raise wrong("character", error) from None
        return _Place(_nowhere(character.id), character=character)

    async def _message(self, conversation: Conversation, wanted: str) -> str:
        """The id of the message that is named, else of the last one."""
        if not wanted:
            if not conversation.head_id:
                raise _nothing_recorded()
            return conversation.head_id
        ids = [node.id for node in await self._runtime.library.conversations.tree(conversation.id)]
        begun = [identity for identity in ids if identity == wanted or identity.startswith(wanted.lower())]
        if wanted in begun:
            return wanted
        if len(begun) != 1 or len(wanted) < LEAST_BEGINNING:
            raise NotFound(
                "LAB_MESSAGE_UNKNOWN",
                f"There is no message {wanted} in this conversation.",
                "`lunalux conversation show ID --json` has the ids.",
                id=wanted,
            )
        return begun[0]

    async def _meaning(self, variant: LabVariant) -> _Meant:
        meant = self._meant.get(variant.name)
        if meant is None:
            meant = self._meant[variant.name] = await self._resolve(variant)
        return meant

    async def _resolve(self, variant: LabVariant) -> _Meant:
        def wrong(key: str, error: LunaluxError) -> InvalidInput:
            return mistake(self._experiment, "variants", variant.number, key, error)

        runtime, number = self._runtime, variant.number
        try:
            model = runtime.models.named(variant.model).name if variant.model else ""
        except LunaluxError as error:
            raise wrong("model", error) from None
        try:
            profile = (await runtime.library.profiles.find(variant.profile)).name if variant.profile else ""
        except LunaluxError as error:
            raise wrong("profile", error) from None
        preset, named = None, ""
        if isinstance(variant.preset, Path):
            preset = await self._read("variants", number, "preset", variant.preset, _preset)
        elif variant.preset:
            try:
                named = await self._preset_named(variant.preset)
            except LunaluxError as error:
                raise wrong("preset", error) from None
        card = None
        if variant.card is not None:
            card = await self._read("variants", number, "card", variant.card, _character)
        start = ReplyStart("", variant.start_with, True) if variant.start_with else None
        options = TurnOptions(
            model=model,
            preset=named,
            profile=profile,
            parameters=variant.parameters,
            direction=Direction(instruction=variant.instruction, start=start),
        )
        return _Meant(
            options,
            preset,
            card,
            tuple([await self._book(variant, book) for book in variant.worldbooks]),
            frozenset(name.casefold() for name in variant.without),
            await self._template(variant),
        )

    async def _preset_named(self, name: str) -> str:
        """The id of a preset of the library, or the name of one of ours."""
        runtime = self._runtime
        preset = await named_preset(runtime.library.presets, name, runtime.settings.lang)
        return preset if isinstance(preset, str) else preset.id

    async def _book(self, variant: LabVariant, book: str | Path) -> ActiveBook:
        if isinstance(book, Path):
            read = await self._read("variants", variant.number, "worldbooks", book, _book)
        else:
            try:
                item = await self._runtime.library.worldbooks.find(book)
                read = read_book(item.document, item.name).book
            except LunaluxError as error:
                raise mistake(self._experiment, "variants", variant.number, "worldbooks", error) from None
        return ActiveBook(read, "global", own_settings(read))

    async def _template(self, variant: LabVariant) -> str:
        """The whole name of a template, "" for none."""
        if not variant.template:
            return ""
        from lunalux_core.dialogue.text_templates import full_template_name
        from lunalux_core.library.templates import load_templates

        stored = await self._runtime.library.database.read(load_templates)
        try:
            return full_template_name(stored, variant.template)
        except NotFound as error:
            raise mistake(self._experiment, "variants", variant.number, "template", error) from None

    async def _read(
        self, table: Table, number: int, key: str, path: Path, read: Callable[[Path, bytes], T]
    ) -> T:
        """What a file that is named beside the experiment holds."""
        try:
            return await asyncio.to_thread(lambda: read(path, read_regular(path)))
        except LunaluxError as error:
            raise mistake(self._experiment, table, number, key, error) from None

    # -- what is otherwise -------------------------------------------------------------------------

    def _with_books(self, read: TurnInput, meant: _Meant) -> TurnInput:
        names = [active.book.name.casefold() for active in read.books]
        meant.books_seen.update(active.book.name for active in read.books)
        meant.left_out.update(meant.without.intersection(names))
        kept = [
            active
            for active, name in zip(read.books, names, strict=True)
            if "*" not in meant.without and name not in meant.without
        ]
        # One that takes part already is not put in twice.
        kept += [extra for extra in meant.books if all(extra.book != active.book for active in kept)]
        return replace(read, books=tuple(kept))

    def _with_template(self, read: TurnInput, variant: LabVariant, meant: _Meant) -> TurnInput:
        if not meant.template:
            return read
        if read.model.mode != "text":
            reason = InvalidInput(
                "LAB_TEMPLATE_UNUSED",
                f"The model {read.model.name} is sent messages and takes no template.",
                "Name a model for text completion.",
                model=read.model.name,
            )
            raise mistake(self._experiment, "variants", variant.number, "template", reason)
        return replace(read, model=replace(read.model, template=meant.template), template_parts={})


def _nowhere(character_id: str) -> Conversation:
    return Conversation("", character_id, "", "", None, None, "", {}, {}, "", 0, 0)


def _recorded(
    connection: Connection,
    reader: TurnReader,
    turn: LabTurn,
    found_place: _Place,
    meant: _Meant,
    options: TurnOptions,
) -> TurnInput:
    """The input of a reply that is made again, or of one to words of the path."""
    from lunalux_core.groups.responders import addressed

    place = load_conversation(connection, found_place.conversation.id)
    message = load_message(connection, found_place.message_id)
    above: Message | None = message
    speaker = message.speaker
    if message.role == "assistant":
        if not message.parent_id:
            raise _greeting()
        above = load_message(connection, message.parent_id)
    else:
        speaker = addressed(connection, place, message, options)
    words, shown = "", message.pictures[:0]
    if above is not None and above.role == "user" and not (above.pictures and not above.content):
        # As they were typed: the turn begins with the scripts for them, as it did when it was recorded.
        words, shown = above.raw or above.content, above.pictures
        above = load_message(connection, above.parent_id) if above.parent_id else None
    if turn.say:
        words, shown = well_formed(turn.say), shown[:0]
    card = meant.card
    if card is not None:  # what is tied to the chat's character goes with its other card
        card = replace(card, summary=replace(card.summary, id=place.character_id))
    asked = TurnTask(
        "normal", place, above, words, speaker=speaker, pictures=shown, character=card, preset=meant.preset
    )
    read = reader.read(connection, asked, options)
    return replace(read, attempt=message.swipe if message.role == "assistant" else 0)


def _made(
    connection: Connection,
    reader: TurnReader,
    turn: LabTurn,
    place: _Place,
    meant: _Meant,
    options: TurnOptions,
) -> TurnInput:
    """The input of a turn of no conversation: a character, with history and words from the file."""
    character = place.character
    assert character is not None
    if meant.card is not None:
        character = replace(meant.card, summary=replace(meant.card.summary, id=character.id))
    asked = TurnTask(
        "normal",
        place.conversation,
        None,
        well_formed(turn.say),
        character=character,
        preset=meant.preset,
    )
    read = reader.read(connection, asked, options)
    said, state = turn.messages, read.state
    if turn.greeting:
        # A chat begins with the first greeting, too, unless the person chooses another.
        for opening in reader.openings(connection, place.conversation, character, options)[:1]:
            said, state = (Said("assistant", opening.text),), opening.state or state
    history = _history(said, {"user": read.user, "assistant": character.name})
    counts = Counter(line.role for line in history)
    return replace(
        read,
        history=history,
        length=len(history),
        replies=counts["assistant"],
        said=counts["user"],
        state=state,
    )


def _history(said: Sequence[Said], names: dict[str, str]) -> tuple[Message, ...]:
    lines: list[Message] = []
    for number, line in enumerate(said):
        above = lines[-1] if lines else None
        name = line.name or names.get(line.role, "")
        message = new_message("", above, line.role, name, well_formed(line.content))
        # An id of its own each, the same in every run: prompts tell messages apart by it.
        lines.append(replace(message, id=f"lab-{number}"))
    return tuple(lines)


# -- files -------------------------------------------------------------------------------------------


def _character(path: Path, data: bytes) -> Character:
    from lunalux_core.cards.card_reader import read_card

    return _as_character(read_card(data, path.name))


def _as_character(loaded: LoadedCard) -> Character:
    """A card as if it were in the library; its scripts do not run, as nobody allowed them."""
    new = new_character("", loaded)
    summary = CharacterSummary(
        id="",
        name=new.name,
        language=new.language,
        spec=new.spec,
        creator=new.creator,
        intro=new.intro,
        tags=new.tags,
        picture="",
        favourite=False,
        binding_active=False,
        market_id=None,
        created_at=0,
        used_at=0,
    )
    return Character(summary, new.document, new.content_hash, False, 0)


def _preset(path: Path, data: bytes) -> Preset:
    return parse_preset(data, path.stem).preset


def _book(path: Path, data: bytes) -> Book:
    return read_book(read_worldbook_document(data, path.name)[0], path.stem).book


# -- mistakes ----------------------------------------------------------------------------------------


def _nothing_recorded() -> InvalidInput:
    return InvalidInput("LAB_NOTHING_RECORDED", "This conversation has no message yet.", "Name another one.")


def _greeting() -> NotFound:
    return NotFound(
        "LAB_TURN_IS_GREETING",
        "This message is a greeting, which comes from the card and from no model.",
        "Name a later message, or write what the person says with `say`.",
    )


def _lacking(gap: ProfileGap) -> InvalidInput:
    return InvalidInput(
        "LAB_PROFILE_LACKS",
        f"The profile {gap.profile} names the {gap.part} {gap.name}, which is not there.",
        "Correct the profile, or name another one.",
        kind=gap.part,
        profile=gap.profile,
        name=gap.name,
    )


def _no_card_in_groups() -> InvalidInput:
    return InvalidInput(
        "LAB_CARD_IN_GROUP",
        "A turn of a group has the cards of its members.",
        "Leave out `card`, or name a conversation with one character.",
    )
