"""The cards a person published: how they do, other words for them, and taking one back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from lunalux_core.library.cells import object_in, plain_text
from lunalux_core.text import clean, clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.market.publish_dialog import TAGS_MOST, MarketDialog, words_for_market
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.draft_dialog import offer
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.told import Told
from lunalux_tui.theme.styles import SURFACE

if TYPE_CHECKING:
    from lunalux_core.library.drafts import Draft
    from lunalux_core.market import Market
    from lunalux_core.wire.characters import OwnCharacter


class MineDialog(Dialog[bool]):
    """Answers whether anything changed, so that the lists are fetched anew."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("mine.edit", "edit", "e,enter", footer=70, palette=False),
        Action("mine.withdraw", "withdraw", "x,delete", footer=71, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-tall -wide"

    def __init__(self, market: Market) -> None:
        super().__init__(question("mine.title"), hint=question("mine.hint"))
        self._market = market
        self._cards: Mapping[str, OwnCharacter] = {}
        self._changed = False

    def compose_body(self) -> ComposeResult:
        yield Rows(ground=SURFACE, id="mine-rows", two_lines=True)

    @property
    def rows(self) -> Rows:
        return self.query_one("#mine-rows", Rows)

    @property
    def card(self) -> OwnCharacter | None:
        """The card under the cursor."""
        return self._cards.get(self.rows.chosen) if self.is_mounted else None

    def on_mount(self) -> None:
        self.rows.empty = t("account.working")
        self.rows.focus()
        self._begin()

    @work(group="mine", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        await self._read()

    async def _read(self) -> None:
        try:
            self._cards = {card.id: card for card in await self._market.mine()}
        finally:
            self.rows.empty = question("mine.none")
        self.rows.set_rows([_row(card) for card in self._cards.values()])
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.card is not None if action in {"edit", "withdraw"} else True

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        self.action_edit()

    @work(group="mine", exclusive=True, exit_on_error=False)
    async def action_edit(self) -> None:
        """Other words for the market, other tags."""
        if (card := self.card) is None:
            return
        # Each begins as the market has it, so that what equals it is no draft.
        saved = json.dumps(_words(card), ensure_ascii=False)
        draft = self.runtime.library.drafts.of(f"own_card:{card.id}", saved)
        written = object_in(await draft.read())
        dialog = EditOwnDialog(
            self._market, card, draft, {name: plain_text(written.get(name)) for name in written}
        )
        if await self.app.push_screen_wait(dialog):
            await draft.forget()
            self._changed = True
            await self._read()
        elif await draft.read():
            self.notify(question("draft_kept"), markup=False)

    @work(group="mine", exclusive=True, exit_on_error=False)
    async def action_withdraw(self) -> None:
        """Take the card out of the market, for good."""
        card = self.card
        if card is None:
            return
        asked = ConfirmDialog(
            question("mine.withdraw"), question("mine.sure", name=clean_line(card.name, 60))
        )
        if await self.app.push_screen_wait(asked):
            await self._market.withdraw(card.id)
            self._changed = True
            self.notify(question("mine.withdrawn", name=clean_line(card.name, 60)), markup=False)
            await self._read()

    def action_cancel(self) -> None:
        self.dismiss(self._changed)


def _row(card: OwnCharacter) -> Row:
    state = question(f"mine.status.{card.status}")
    language = LANGUAGES.get(card.language or "", "")
    right = f"{language}  ♥ {card.liked_count}  ⇩ {card.download_count}  {state}"
    return Row(card.id, clean_line(card.name, 80), clean_line(card.intro or "", 200), right=right)


def _words(card: OwnCharacter) -> dict[str, str]:
    """What can be written of a card, as its fields show it."""
    return {"intro": clean(card.intro or ""), "tags": ", ".join(card.tags)}


class EditOwnDialog(MarketDialog[bool]):
    """The words and tags of a published card; answers True when they went through.

    Args:
        draft: where what is written is kept until it went through.
        written: what was kept last time, by field; one undo in the intro shows the published one again.
    """

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("mine.send", "send_words", "ctrl+s", footer=80, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE: ClassVar[str] = "-broad"

    def __init__(self, market: Market, card: OwnCharacter, draft: Draft, written: Mapping[str, str]) -> None:
        title = question("mine.edit", name=clean_line(card.name, 60))
        super().__init__(title, hint=question("unsaved") if written else "")
        self._market = market
        self._card = card
        self._draft = draft
        self._saved = _words(card)
        self._first = {**self._saved, **written}

    def compose_body(self) -> ComposeResult:
        yield Told(t("market.publish.intro"), classes="label")
        yield TextArea(
            "", soft_wrap=True, show_line_numbers=False, compact=True, tab_behavior="focus", id="intro"
        )
        yield Told(t("market.publish.tags", n=TAGS_MOST), classes="label")
        yield OneLineInput(value=self._first["tags"], id="tags", max_length=800)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.load_text(self._saved["intro"])
        offer(area, self._first["intro"])
        area.focus()

    async def store_draft(self) -> None:
        written = {"intro": self.query_one(TextArea).text, "tags": self.query_one("#tags", Input).value}
        await self._draft.keep(json.dumps(written, ensure_ascii=False))

    def action_send_words(self) -> None:
        self.send(self._edit())

    async def _edit(self) -> None:
        await self.keep_draft()
        intro, tags = words_for_market(self)
        await self._market.edit(self._card.id, intro=intro, tags=tags)
        self.finish(True)
