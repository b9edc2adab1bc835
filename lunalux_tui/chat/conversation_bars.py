"""The three bars around a conversation: its header, its suggestions, its status."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events
from textual.geometry import Offset
from textual.message import Message as TextualMessage
from textual.reactive import reactive, var
from textual.strip import Strip
from textual.timer import Timer

from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.drawn import Bar, Drawn, Part, fit
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, MUTED, REVERSE, SURFACE, WARNING

if TYPE_CHECKING:
    from lunalux_core.account import AccountState

SHOWN = 3
"""How many suggestions are shown at most."""
NEARLY_FULL = 90
"""Percent of the context window from which on its display is a warning."""

TOLD_SECONDS = 6.0
"""How long a message stays in the status line."""
MARGIN_CELLS = 5
"""Cells of a message in the status line beside its text: margins, warning sign and gaps."""


class ChatHeader(Bar):
    """The character or group, the conversation, the persona and the model."""

    GROUND = SURFACE

    character: reactive[str] = reactive("")
    members: reactive[tuple[tuple[str, bool], ...]] = reactive(())
    """The members of a group: name, and whether the member is muted."""

    conversation: reactive[str] = reactive("")
    model: reactive[str] = reactive("")
    persona: reactive[str] = reactive("")
    speaker: var[tuple[str, str]] = var(("", ""))
    """Who said the last reply: the id of the member of a group, and the name."""

    def left(self) -> Sequence[Part]:
        name = clean_line(self.character, 80)
        if not name:
            return [Part("Lunalux", CHARACTER | BOLD)]
        title = clean_line(self.conversation, 120)
        parts = [Part(name, CHARACTER | BOLD)]
        if self.members:
            names = in_a_list(f"({name})" if muted else name for name, muted in self.members)
            parts.append(Part(clean_line(names, 200), MUTED, "screen.members", 2))
        if title:
            parts.append(Part(f"· {title}", MUTED, "screen.conversations", 3))
        return parts

    def right(self) -> Sequence[Part]:
        parts = []
        if self.persona:
            parts.append(
                Part(t("header.persona", name=clean_line(self.persona, 30)), MUTED, "screen.personas", 4)
            )
        if self.model:
            parts.append(Part(f"{clean_line(self.model, 40)} ▾", MUTED, "screen.models", 2))
        return parts


class StatusBar(Bar):
    """During a turn who writes, how long, and a stop button; otherwise what the last turn used and cost."""

    writer: reactive[str] = reactive("")
    seconds: reactive[int] = reactive(0)
    prompt_percent: reactive[int | None] = reactive(None)
    """Percent of the prompt that the server has processed, None if it does not tell."""
    scripting: reactive[bool] = reactive(False)
    """Whether a script of the person is running."""
    prose: reactive[bool] = reactive(False)
    """Whether the chat is shown as prose."""
    from_passage: reactive[bool] = reactive(False)
    """Whether the next text continues a passage before the end."""
    countdown: reactive[int | None] = reactive(None)
    """Seconds until the next member of a group replies automatically, None if none will."""
    usage: reactive[Mapping[str, int] | None] = reactive(None)
    window: reactive[int] = reactive(0)
    """The model's context window (prompt and reply together) in tokens, 0 if unknown."""
    billing: reactive[Mapping[str, object] | None] = reactive(None)
    cost: reactive[Mapping[str, object] | None] = reactive(None)
    """The price of the last reply in money, if it is known."""

    model: reactive[str] = reactive("")
    mode: reactive[str] = reactive("")
    browsing: reactive[bool] = reactive(False)
    account: reactive[AccountState | None] = reactive(None)
    """The account that pays with coins for the model in use; None if nothing is paid with coins."""

    below: reactive[int] = reactive(0)
    """Lines of the conversation below the view."""

    told: reactive[str] = reactive("")
    """The message that is shown for a few seconds."""

    _began = 0.0
    _clock: Timer | None = None
    _telling: Timer | None = None
    _undo = _warns = False

    def tell(self, words: str, *, warn: bool = False, undo: bool = False) -> bool:
        """Show a message, with an undo button if `undo`; False if it does not fit into the line."""
        words = clean_line(words, 400)
        always = [part for part in (*self._counting(), *self.right()) if not part.weight]
        beside = sum(cell_len(part.text) + len(self.GAP) for part in always)
        needed = cell_len(words) + MARGIN_CELLS + (cell_len(self._undo_words) if undo else 0)
        if needed + beside > self.size.width:
            return False
        self._warns, self._undo, self.told = warn, undo, words
        if self._telling is not None:
            self._telling.stop()
        self._telling = self.set_timer(TOLD_SECONDS, self._told_long_enough)
        # The same words may be said again, with or without the button; that changes no reactive value.
        self.refresh()
        return True

    def _told_long_enough(self) -> None:
        self.told = ""

    @property
    def _undo_words(self) -> str:
        return f"[{t('action.browse.undo.label')}]"

    def watch_writer(self, before: str, writer: str) -> None:
        """Start the seconds when a writer is set and stop them when there is none."""
        # In a group one writer may follow another in the same turn, so the seconds go on.
        if writer and not before:
            self.seconds, self._began = 0, time.monotonic()
            self._clock = self.set_interval(1, self._tick)
        elif self._clock is not None and not writer:
            self._clock.stop()
            self._clock = None
            if self.told == t("chat.busy"):
                self.told = ""  # the message says that somebody is writing

    def _tick(self) -> None:
        self.seconds = int(time.monotonic() - self._began)

    def _counting(self) -> list[Part]:
        if self.countdown is None:
            return []
        return [Part(t("cast.countdown", seconds=self.countdown), ACCENT)]

    def _said(self) -> list[Part]:
        if not self.told:
            return []
        said = [Part(f"⚠ {self.told}", WARNING) if self._warns else Part(self.told, ACCENT)]
        return [*said, Part(self._undo_words, ACCENT | BOLD, "screen.undo")] if self._undo else said

    def left(self) -> Sequence[Part]:
        if self.writer:
            key = "status.writing" if self.prompt_percent is None else "status.reading"
            writing = t(
                key, name=clean_line(self.writer, 40), seconds=self.seconds, percent=self.prompt_percent or 0
            )
            return [Part("●", ACCENT), Part(writing, MUTED, weight=1), *self._said()]
        if self.scripting:
            return [Part("●", ACCENT), Part(t("slash.running"), MUTED, weight=1), *self._said()]
        parts = [*self._counting(), *self._said()]
        if self.prose:
            words = t("prose.from_passage" if self.from_passage else "prose.label")
            parts.append(Part(words, ACCENT, "screen.prose", 1))
        if self.mode:
            parts.append(Part(t(f"mode.{self.mode}.label"), ACCENT, "screen.modes", 1))
        if self.browsing:
            parts.append(Part(t("status.browsing"), ACCENT, weight=2))
        return parts

    def right(self) -> Sequence[Part]:
        if self.writer or self.scripting:
            return [
                *self._lines_below(),
                Part(f"[■ {t('status.stop')} · esc]", WARNING | BOLD, "screen.stop"),
            ]
        parts = self._lines_below()
        if self.countdown is not None:
            parts.append(Part(f"[■ {t('status.stop')} · esc]", WARNING | BOLD, "screen.stop"))
        if self.billing:
            method = str(self.billing.get("method", ""))
            parts.append(Part(t(f"status.cost.{method}", cost=self.billing.get("cost", 0)), ACCENT, weight=1))
        if self.cost is not None:
            from lunalux_tui.parts.amounts import money

            parts.append(Part(money(self.cost), ACCENT, weight=1))
        if self.usage:
            key = "status.tokens_estimated" if self.usage.get("estimated") else "status.tokens"
            sent, received = self.usage.get("prompt_tokens", 0), self.usage.get("completion_tokens", 0)
            words = t(key, sent=f"{sent:,}", received=f"{received:,}")
            parts.append(Part(words, MUTED, weight=3))
            if self.window:
                used = sent + received
                gauge = t("status.gauge", full=short_number(used), window=short_number(self.window))
                near = used * 100 >= self.window * NEARLY_FULL
                parts.append(Part(gauge, WARNING if near else MUTED, "screen.inspect", 2))
        return [*parts, *self._wallet()]

    def _lines_below(self) -> list[Part]:
        """The number of lines below the view, as a button that goes to the end."""
        if not self.below:
            return []
        return [Part(f" {t('status.below', n=self.below)} ", ACCENT | REVERSE, "screen.end(False)", 1)]

    def _wallet(self) -> Sequence[Part]:
        if self.account is None:
            return ()
        from lunalux_tui.parts.amounts import wallet_parts

        return wallet_parts(self.account, weight=2)


class Suggestions(Drawn):
    """Suggestions for the person's next message, each with the digit that picks it."""

    ALLOW_SELECT = False

    DEFAULT_CSS = (
        "Suggestions { height: auto; max-height: 3; display: none; } Suggestions.-some { display: block; }"
    )

    suggestions: reactive[tuple[str, ...]] = reactive((), layout=True)

    @dataclass
    class Picked(TextualMessage):
        """A suggestion was clicked."""

        text: str

    def watch_suggestions(self, suggestions: tuple[str, ...]) -> None:
        self.set_class(bool(suggestions), "-some")

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return min(len(self.suggestions), SHOWN)

    def pick(self, number: int) -> str:
        """The suggestion with that digit, "" if there is none."""
        shown = self.suggestions[:SHOWN]
        return shown[number - 1] if 1 <= number <= len(shown) else ""

    def draw(self, palette: Palette, width: int, height: int) -> Sequence[Strip]:
        strips = []
        for number, suggestion in enumerate(self.suggestions[:height], 1):
            text = fit(_as_a_line(suggestion), width - 6)
            runs = [("  ", 0), (str(number), ACCENT | BOLD), ("  ", 0), (text, MUTED)]
            strips.append(palette.strip(runs, width))
        return strips

    def jump_places(self) -> Iterator[tuple[Offset, str]]:
        """The position of each suggestion, and the action that picks it."""
        for row in range(min(self.size.height, len(self.suggestions))):
            yield Offset(0, row), f"screen.suggestion({row + 1})"

    def on_click(self, event: events.Click) -> None:
        if picked := self.pick(event.y + 1):
            self.post_message(self.Picked(picked))


def _as_a_line(suggestion: str) -> str:
    """A suggestion as one line, without asterisks and without spaces after Chinese punctuation."""
    # A line break became a space, which Chinese does not have after its punctuation.
    return re.sub(r"(?<=[。！？，：；、”’]) +", "", clean_line(suggestion.replace("*", ""), 300))


def short_number(tokens: int) -> str:
    """A number of tokens in a few characters: 512, 3.1k, 128k."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}".removesuffix(".0") + "k" if tokens < 10_000 else f"{tokens // 1000}k"
