"""Giving a character to the community: which one, in which language, with what words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import urlsplit

from textual import on
from textual.app import ComposeResult
from textual.reactive import var
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from lunalux_core.errors import InvalidInput
from lunalux_core.library.market_cache import NSFW_TAGS
from lunalux_core.text import clean, clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import LANGUAGES, in_a_row, t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

TAGS_MOST = 10
INTRO_MOST = 4000
PAUSE = 0.6
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


class PublishDialog(FormDialog["Language"]):
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
        self._first = {"lang": lang, "intro": intro, "tags": ", ".join(tags[:TAGS_MOST])} | dict(draft or {})
        self._pause: Timer | None = None

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
        self._keep_soon()

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

    def _keep_soon(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._keep)

    async def _keep(self) -> None:
        """What stands in the fields survives the dialog and the program."""
        if self.is_mounted:
            await self._runtime.library.state.set(self._key, self._draft())

    def _draft(self) -> dict[str, str]:
        return {
            "lang": self.lang,
            "intro": self.query_one(TextArea).text,
            "tags": self.query_one("#tags", Input).value,
        }

    def action_cancel(self) -> None:
        # Leaving would end the worker that publishes, perhaps with the file sent and nothing said about it.
        if not self.busy:
            self.run_worker(self._leave(), group="leave", exit_on_error=False)

    async def _leave(self) -> None:
        await self._keep()
        self.dismiss(None)

    @on(Input.Submitted)
    def action_send(self) -> None:
        self.send(self._publish())

    async def _publish(self) -> None:
        intro, tags = (
            clean(self.query_one(TextArea).text).strip(),
            split_tags(self.query_one("#tags", Input).value),
        )
        # It is refused below; the cursor goes where the words are missing.
        if not intro:
            self.query_one(TextArea).focus()
        if len(tags) > TAGS_MOST:
            raise InvalidInput(
                "TOO_MANY_TAGS",
                f"A published character has at most {TAGS_MOST} tags; these are {len(tags)}.",
                "Take some away.",
                most=TAGS_MOST,
                n=len(tags),
            )
        await self._keep()
        self._progress("prepare")
        try:
            png = await self._png()
            await self._runtime.market.publish(
                png, "card.png", self.lang, intro[:INTRO_MOST], tags=tags, progress=self._progress
            )
        except BaseException:
            self._progress("")
            raise
        if self._pause is not None:
            # Otherwise the words would be kept as a draft again, after the card has been published.
            self._pause.stop()
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
