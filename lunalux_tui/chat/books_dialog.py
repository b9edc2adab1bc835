"""Which worldbooks are in force in a chat and why, with keys that attach one: to all chats, to this one, to
the character, to the persona."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult

from lunalux_core.cards.card_reader import read_card
from lunalux_core.documents.coerce import as_object, as_text
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import SURFACE

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.library.conversations import Conversation
    from lunalux_core.library.personas import Persona
    from lunalux_core.library.shelf import ShelfItem
    from lunalux_core.runtime import Runtime

OWN = "card"
"""Id of the row of the book that the card carries."""


@dataclass(frozen=True, slots=True)
class BooksInForce:
    """What a conversation uses, as it is stored in the library; names are case-folded."""

    conversation: Conversation
    card: Card | None
    persona: Persona | None
    tied: frozenset[str]

    @property
    def chat(self) -> str:
        """The name of this chat's own book."""
        return as_text(as_object(self.conversation.metadata.get("chat_metadata")).get("world_info"))

    def reasons(self, item: ShelfItem) -> list[str]:
        """Why a book is in force here: "all", "chat", "persona", "character", "world" (the card names it)."""
        key = item.name.casefold()
        reasons = ["all"] if item.enabled else []
        if key == self.chat.casefold():
            reasons.append("chat")
        if self.persona is not None and key == self.persona.worldbook.casefold():
            reasons.append("persona")
        if key in self.tied:
            reasons.append("character")
        if self.card is not None and key == self.card.world.casefold():
            reasons.append("world")
        return reasons


class BooksDialog(Dialog[str]):
    """Answers `OWN` when the card's own book is to be opened, else None; everything else is done here."""

    ACTIONS = (
        Action("books_here.open", "open", "enter", footer=70, palette=False),
        Action("books_here.all", "attach('all')", "a,space", footer=71, palette=False),
        Action("books_here.chat", "attach('chat')", "c", footer=72, palette=False),
        Action("books_here.character", "attach('character')", "r", footer=73, palette=False),
        Action("books_here.persona", "attach('persona')", "p", footer=74, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-tall -wide"

    def __init__(self, runtime: Runtime, conversation_id: str) -> None:
        super().__init__(question("books_here.title"), hint=question("books_here.hint"))
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._items: Mapping[str, ShelfItem] = {}
        self._attached: BooksInForce | None = None

    def compose_body(self) -> ComposeResult:
        rows = Rows(ground=SURFACE, id="books-here", two_lines=True)
        rows.empty = question("books_here.none")
        yield rows

    @property
    def rows(self) -> Rows:
        return self.query_one("#books-here", Rows)

    def on_mount(self) -> None:
        self.rows.focus()
        self._read()

    @work(group="books", exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        await self._reread()

    async def _reread(self) -> None:
        library = self._runtime.library
        self._items = {item.id: item for item in await library.worldbooks.list()}
        self._attached = await self._look()
        rows = self._rows(self._attached)
        self.rows.set_rows(rows)
        self.refresh_bindings()

    async def _look(self) -> BooksInForce:
        library = self._runtime.library
        conversation = await library.conversations.get(self._conversation_id)
        card, tied = None, frozenset[str]()
        if conversation.character_id:
            character = await library.characters.get(conversation.character_id)
            card = read_card(character.document.encode()).card
            tied = frozenset(name.casefold() for name in await library.characters.worldbooks(character.id))
        personas = {persona.id: persona for persona in await library.personas.list()}
        # As a turn takes it: the conversation's own, else the one for new conversations.
        persona = personas.get(conversation.persona_id or "") or await library.personas.chosen()
        return BooksInForce(conversation, card, persona, tied)

    def _rows(self, attached: BooksInForce) -> list[Row]:
        """Those in force first."""
        rows = []
        names = {item.name.casefold() for item in self._items.values()}
        card = attached.card
        # Where the card names a book that the library has, that one stands for its own.
        if card is not None and card.character_book is not None and card.world.casefold() not in names - {""}:
            why = question("books_here.why.own")
            rows.append(Row(OWN, question("books_here.own", name=card.name), why, mark="✓", strong=True))
        here: list[Row] = []
        others: list[Row] = []
        for item in self._items.values():
            reasons = attached.reasons(item)
            why = t("settings.list_comma").join(self._why(reason, attached) for reason in reasons)
            row = Row(item.id, item.name, why or question("books_here.why.none"), mark="✓" if why else " ")
            (here if reasons else others).append(row)
        return [*rows, *here, *others]

    def _why(self, reason: str, attached: BooksInForce) -> str:
        character = attached.card.name if attached.card is not None else ""
        persona = attached.persona.name if attached.persona is not None else ""
        return question(f"books_here.why.{reason}", character=character, persona=persona)

    # -- what is done ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "attach":
            attached, item = self._attached, self._items.get(self.rows.chosen) if self.is_mounted else None
            if attached is None or item is None:
                return False
            # A group has no card, and nobody need have a persona.
            needs = {"character": attached.card, "persona": attached.persona}
            return needs.get(str(parameters[0]), attached) is not None
        return True

    @on(Rows.Moved, "#books-here")
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self.refresh_bindings()

    @on(Rows.Chosen, "#books-here")
    def _chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        self.action_open()

    @work(group="books", exclusive=True, exit_on_error=False)
    async def action_open(self) -> None:
        """Into the entries of the book."""
        from lunalux_tui.create.book_screen import BookScreen

        if self.rows.chosen == OWN:
            self.dismiss(OWN)
        elif (item := self._items.get(self.rows.chosen)) is not None:
            await self.app.push_screen_wait(BookScreen(item))
            await self._reread()

    @work(group="books", exit_on_error=False)
    async def action_attach(self, to: str) -> None:
        """Use the book under the cursor there, or let go of it."""
        attached, item = self._attached, self._items.get(self.rows.chosen)
        if attached is None or item is None:
            return
        library, on = self._runtime.library, to not in attached.reasons(item)
        match to:
            case "all":
                await library.worldbooks.enable(item.id, on)
            case "chat":
                place = attached.conversation
                # Where SillyTavern keeps it, so that an exported chat takes it along.
                inner = {
                    **as_object(place.metadata.get("chat_metadata")),
                    "world_info": item.name if on else "",
                }
                await library.conversations.set(place.id, metadata={**place.metadata, "chat_metadata": inner})
            case "character":
                await library.characters.tie(attached.conversation.character_id, item.name, on)
            case "persona" if attached.persona is not None:
                await library.personas.bind(attached.persona.id, item.name if on else "")
        await self._reread()
