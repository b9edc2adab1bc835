"""What stands over the market's cards: which list it is and how old, the words, what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size
from textual.reactive import Reactive, reactive

from lunalux_core.account import AccountState
from lunalux_core.language import Language
from lunalux_core.library.market_cache import Filters, Sort
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.parts.amounts import age, wallet_parts
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, MUTED, SURFACE, WARNING


class MarketHead(Bar):
    """Which list is shown, its age, and the wallet."""

    GROUND = SURFACE

    sort: reactive[Sort] = reactive("hot")
    lang: reactive[Language] = reactive("en")
    stored_at: reactive[int] = reactive(0)
    """When the list came from the backend, in milliseconds since 1970; 0 for never."""

    stale: reactive[bool] = reactive(False)
    fetching: reactive[bool] = reactive(False)
    trouble: reactive[str] = reactive("")
    """Why the list could not be refreshed, in a few words."""

    account: reactive[AccountState | None] = reactive(None)

    def left(self) -> Sequence[Part]:
        return [
            Part(t("place.market.title"), CHARACTER | BOLD, weight=5),
            self._switch("hot"),
            self._switch("new"),
            Part(f"⇄ {LANGUAGES[self.lang]}", MUTED, "screen.language", 2),
        ]

    def _switch(self, sort: Sort) -> Part:
        on = sort == self.sort
        text = t(f"market.sort.{sort}")
        return Part(
            f"● {text}" if on else f"○ {text}", ACCENT | BOLD if on else MUTED, f"screen.sort('{sort}')"
        )

    def right(self) -> Sequence[Part]:
        return [*self._state(), *wallet_parts(self.account, weight=4)]

    def _state(self) -> Sequence[Part]:
        if self.fetching:
            return [Part(t("market.state.fetching"), MUTED, weight=1)]
        parts = []
        if self.trouble:
            parts.append(Part(f"⚠ {self.trouble}", WARNING, "screen.refresh"))
        if self.stored_at:
            text = t("market.state.as_of", age=age(self.stored_at))
            parts.append(Part(text, WARNING if self.stale else MUTED, "screen.refresh", 1))
        return parts


class MarketFilters(Bar):
    """What is left out, each a switch; and how many cards are shown."""

    filters: reactive[Filters] = reactive(Filters())
    shown: reactive[int] = reactive(0)
    more: reactive[bool] = reactive(False)
    waiting: reactive[bool] = reactive(False)
    """Whether cards are on their way: none is a number only once they have come."""
    busy: reactive[str] = reactive("")
    """What is being done with a card."""

    def left(self) -> Sequence[Part]:
        mode = self.filters.nsfw
        parts = [
            Part(t(f"market.nsfw.{mode}"), MUTED if mode == "exclude" else WARNING, "screen.nsfw", 2),
            Part(
                f"{'●' if self.filters.original else '○'} {t('market.original')}",
                ACCENT if self.filters.original else MUTED,
                "screen.original",
                3,
            ),
        ]
        for tag in self.filters.tags:
            parts.append(Part(f"#{tag} ✕", ACCENT, f"screen.drop_tag({tag!r})", 1))
        if not self.filters.tags:
            parts.append(Part(t("market.tags_all"), MUTED, "screen.tags", 4))
        return parts

    def right(self) -> Sequence[Part]:
        if self.busy:
            return [Part(self.busy, ACCENT)]
        if self.waiting and not self.shown:
            return ()
        key = "market.shown_more" if self.more else "market.shown"
        return [Part(t(key, n=self.shown), MUTED, weight=5)]


class SearchField(OneLineInput):
    """One line of fixed width: what is typed lays out nothing anew, so that results come at once."""

    virtual_size = Reactive(Size(0, 0), layout=False)
