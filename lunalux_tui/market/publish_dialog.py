"""Giving a character to the community: which one, in which language, with what words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from urllib.parse import urlsplit

from textual import on
from textual.app import ComposeResult
from textual.reactive import var
from textual.widgets import Input, Static, TextArea

from lunalux_core.errors import InvalidInput
from lunalux_core.library.market_cache import NSFW_TAGS
from lunalux_core.text import clean, clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import LANGUAGES, in_a_row, t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.language import Language
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

TAGS_MOST = 10
Result = TypeVar("Result")

INTRO_MOST = 4000
DRAFT = "publish_draft:"
STEPS = ("prepare", "upload", "publish", "done")

ACTIONS = (
    Action("market.send", "send", "ctrl+s", footer=80, priority=True, palette=False),
    Action("market.adult", "adult", "ctrl+o", footer=82, priority=True, palette=False),
    Action("market.other_language", "other_language", "ctrl+l", footer=81, priority=True, palette=False),
    CANCEL,
)


async def publish(app: Host, lang: Language) -> Language | None:
    """Choose a character of the library and publish it; the language it went to, or None."""
    characters = await app.runtime.library.characters.list()
    rows = [
        Row(character.id, character.name, right=LANGUAGES.get(character.language, ""))
        for character in characters
    ]
    from lunalux_core.exporting.target import card_file

    picked = await app.push_screen_wait(
        PickDialog(t("market.publish.choose"), rows, hint=t("market.publish.choose_hint"))
    )
    if picked is None:
        return None
    character = await app.runtime.library.characters.get(picked)
    spoken = character.summary.language
    return await app.push_screen_wait(
        PublishDialog(
            app.runtime,
            picked,
            character.name,
            lambda: asyncio.to_thread(card_file, app.runtime.library, character),
            lang=cast("Language", spoken) if spoken in LANGUAGES else lang,
            intro=character.summary.intro,
            tags=character.summary.tags,
            draft=await draft_of(app.runtime, picked),
        )
    )


async def draft_of(runtime: Runtime, key: str) -> Mapping[str, str] | None:
    """What was typed for publishing a character and not sent.

    It is read before the dialog is shown: what is typed there must not be written over.
    """
    draft = await runtime.library.state.get(f"{DRAFT}{key}")
    if not isinstance(draft, dict):
        return None
    return {name: value for name, value in draft.items() if isinstance(value, str)}


def split_tags(text: str) -> tuple[str, ...]:
    """Tags between commas of any script, without repetition, a leading # dropped."""
    tags = (clean_line(part, 60).lstrip("#＃").strip() for part in re.split(r"[,，、;；\n]", text))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def words_for_market(dialog: Screen[Any]) -> tuple[str, tuple[str, ...]]:
    """The intro and the tags that stand in a dialog, as they are sent; the cursor goes where one is wrong.

    Nothing is cut off in silence. An empty intro is refused by the market itself.

    Raises:
        InvalidInput: TOO_MANY_TAGS, INTRO_TOO_LONG.
    """
    area, field = dialog.query_one("#intro", TextArea), dialog.query_one("#tags", Input)
    intro, tags = clean(area.text).strip(), split_tags(field.value)
    if not intro or len(intro) > INTRO_MOST:
        area.focus()
    elif len(tags) > TAGS_MOST:
        field.focus()
    if len(intro) > INTRO_MOST:
        raise InvalidInput(
            "INTRO_TOO_LONG",
            f"An intro has at most {INTRO_MOST:,} characters; this one has {len(intro):,}.",
            "Shorten it; the words stay here.",
            most=f"{INTRO_MOST:,}",
            n=f"{len(intro):,}",
        )
    if len(tags) > TAGS_MOST:
        raise InvalidInput(
            "TOO_MANY_TAGS",
            f"A published character has at most {TAGS_MOST} tags; these are {len(tags)}.",
            "Take some away.",
            most=TAGS_MOST,
            n=len(tags),
        )
    return intro, tags


class MarketDialog(FormDialog[Result], DraftDialog[Result]):
    """Sends words to the market; while it does, it cannot be left."""

    def action_cancel(self) -> None:
        # Leaving would end the worker that sends, perhaps with a file sent and nothing said about it.
        if not self.busy:
            self.run_worker(self._leave(), group="leave", exit_on_error=False)

    async def _leave(self) -> None:
        await self.keep_draft()
        self.dismiss(None)


class PublishDialog(MarketDialog["Language"]):
    """Answers the language it was published in, or None. What was typed is kept until it is published.

    Args:
        key: names the draft; the id of the character.
        png: gives the card's file when it is needed.
        draft: what was typed last time and not sent, as `draft_of` reads it.
    """

    ACTIONS = ACTIONS
    BINDINGS = bindings(ACTIONS)
    SIZE: ClassVar[str] = "-broad"
    lang: var[Language] = var("en", init=False)

    def __init__(
        self,
        runtime: Runtime,
        key: str,
        name: str,
        png: Callable[[], Awaitable[bytes]],
        *,
        lang: Language,
        intro: str = "",
        tags: tuple[str, ...] = (),
        draft: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(t("market.publish.title", name=clean_line(name, 60)))
        self._runtime = runtime
        self._key = f"{DRAFT}{key}"
        self._name = name
        self._png = png
        self._card = {"lang": lang, "intro": intro, "tags": ", ".join(tags[:TAGS_MOST])}
        self._first = self._card | dict(draft or {})

    def compose_body(self) -> ComposeResult:
        yield Told(self._where(), classes="hint", id="publish-where")
        yield Told(id="publish-lang")
        yield Told(t("market.publish.intro"), classes="label")
        yield TextArea(
            "", soft_wrap=True, show_line_numbers=False, compact=True, tab_behavior="focus", id="intro"
        )
        yield Told(t("market.publish.tags", n=TAGS_MOST), classes="label")
        yield OneLineInput(placeholder=t("market.publish.tags_placeholder"), id="tags", max_length=800)
        yield Told(id="steps")

    def on_mount(self) -> None:
        lang = self._first["lang"]
        self.lang = cast("Language", lang) if lang in LANGUAGES else "en"
        area = self.query_one(TextArea)
        area.load_text(self._first["intro"])
        self.query_one("#tags", Input).value = self._first["tags"]
        area.focus()
        area.move_cursor(area.document.end)
        self.watch_lang()

    def _where(self) -> str:
        """Which market the card goes to, and under which name."""
        account, address = self._runtime.account.state, self._runtime.settings.api_url
        place = urlsplit(address).netloc or address
        where = t("market.publish.to", place=place) if address else t("market.publish.to_this_computer")
        named = t("market.publish.as", name=f"@{account.username}") if account.username else ""
        return in_a_row(where, named or t("market.publish.no_name"))

    def watch_lang(self) -> None:
        shown = "   ".join(f"{'●' if lang == self.lang else '○'} {name}" for lang, name in LANGUAGES.items())
        adult = t("market.publish.adult_on" if self._adult else "market.publish.adult_off")
        self.query_one("#publish-lang", Static).update(f"{shown}      {adult}")
        self.keep_soon()

    @property
    def _adult(self) -> bool:
        """Whether one of the tags says that it is for adults; the market hides it from others then."""
        tags = split_tags(self.query_one("#tags", Input).value)
        return any(tag.casefold() in NSFW_TAGS for tag in tags)

    def action_adult(self) -> None:
        """Mark the card as one for adults, or not."""
        field = self.query_one("#tags", Input)
        tags = [tag for tag in split_tags(field.value) if tag.casefold() not in NSFW_TAGS]
        field.value = ", ".join(tags if self._adult else ["nsfw", *tags])

    def action_other_language(self) -> None:
        self.lang = "zh" if self.lang == "en" else "en"

    def on_click(self, event: object) -> None:
        widget = getattr(event, "widget", None)
        if getattr(widget, "id", "") == "publish-lang":
            self.action_other_language()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _changed(self) -> None:
        if not self.busy:
            self.say("")
        self.watch_lang()

    async def store_draft(self) -> None:
        # What equals the card's own words is no draft: it would hide what the card says later on.
        draft = {name: text for name, text in self._written().items() if text != self._card[name]}
        await self._runtime.library.state.set(self._key, draft or None)

    def _written(self) -> dict[str, str]:
        return {
            "lang": self.lang,
            "intro": self.query_one(TextArea).text,
            "tags": self.query_one("#tags", Input).value,
        }

    @on(Input.Submitted)
    def action_send(self) -> None:
        self.send(self._publish())

    async def _publish(self) -> None:
        await self.keep_draft()
        intro, tags = words_for_market(self)
        self._progress("prepare")
        try:
            png = await self._png()
            await self._runtime.market.publish(
                png, "card.png", self.lang, intro, tags=tags, progress=self._progress
            )
        except BaseException:
            self._progress("")
            raise
        self.stop_keeping()
        await self._runtime.library.state.set(self._key, None)
        self.app.notify(t("market.published", name=self._name), markup=False)
        self.finish(self.lang)

    def _progress(self, step: str) -> None:
        """Show how far it is."""
        at = STEPS.index(step) if step in STEPS else -1
        marks = (
            ("✓" if place < at else "●" if place == at else "○", step) for place, step in enumerate(STEPS[:3])
        )
        shown = "   ".join(f"{mark} {t(f'market.publish.step.{step}')}" for mark, step in marks)
        self.query_one("#steps", Static).update(shown if at >= 0 else "")
