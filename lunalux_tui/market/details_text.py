"""Everything about one market card in words to scroll."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip

from lunalux_core.library.market_cache import MarketCard
from lunalux_core.text import clean, clean_line
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.parts.amounts import DOWNLOADS, LIKES, LUNA, compact
from lunalux_tui.parts.drawn import palette_of
from lunalux_tui.parts.selectable import Selectable
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, PLAIN, SURFACE, USER, WARNING, Line, Run

TAGS_PER_CARD = 50


class CardDetails(Selectable, can_focus=True):
    """Numbers, warnings, intro and tags of a card."""

    def __init__(self, card: MarketCard, *, liked: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._card = card
        self._liked = liked
        self._owned = False
        self._lines: list[Line] = []

    def show(self, card: MarketCard, *, liked: bool, owned: bool) -> None:
        """Show a card; `owned` says that it is in the library."""
        if card.id != self._card.id:
            self.scroll_to(y=0, animate=False, force=True)
        self._card, self._liked, self._owned = card, liked, owned
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def retranslate(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        self.forget_selection()
        width = max(self.scrollable_content_region.width - 1, 12)
        self._lines = list(self._content(width))
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines))
        self.refresh()

    def _content(self, width: int) -> Iterator[Line]:
        card = self._card
        yield from wrap(self._numbers(), width)
        yield ()
        for runs in self._remarks():
            yield from wrap(runs, width)
        intro = clean(card.intro).strip()
        yield from wrap(
            [(intro or t("market.no_intro"), PLAIN | SURFACE if intro else MUTED | SURFACE)], width
        )
        if card.tags:
            yield ()
            tags = "  ".join(
                # Not broken at the blanks within a tag.
                "#" + clean_line(tag, 60).replace(" ", "\u00a0")
                for tag in card.tags[:TAGS_PER_CARD]
            )
            yield from wrap([(tags, ACCENT | SURFACE)], width)

    def _numbers(self) -> Sequence[Run]:
        card = self._card
        heart = (ERROR | BOLD | SURFACE) if self._liked else MUTED | SURFACE
        return (
            (f"{LIKES} {t('market.number.likes', n=compact(card.likes))}", heart),
            (f"   {DOWNLOADS} {t('market.number.downloads', n=compact(card.downloads))}", MUTED | SURFACE),
            (f"   {LUNA} {t('market.number.luna', n=compact(card.coins))}", USER | SURFACE),
        )

    def _remarks(self) -> Iterator[Sequence[Run]]:
        card = self._card
        about = [LANGUAGES.get(card.language, card.language)]
        if card.creator:
            about.append(t("market.by", name=clean_line(card.creator, 80)))
        if card.original:
            about.append(t("market.is_original"))
        yield [(" · ".join(about), MUTED | SURFACE)]
        if self._owned:
            yield [(f"✓ {t('market.owned')}", ACCENT | SURFACE)]
        if card.nsfw:
            yield [(f"⚠ {t('market.warning.nsfw')}", WARNING | BOLD | SURFACE)]
        yield [("", SURFACE)]

    def runs_of(self, line: int) -> Sequence[Run]:
        return self._lines[line] if 0 <= line < len(self._lines) else ()

    def line_at(self, line: int) -> Strip:
        runs, width = self.runs_of(line), self.scrollable_content_region.width
        used = sum(cell_len(text) for text, _ in runs)
        strip = palette_of(self).strip((*runs, (" " * max(width - used, 0), SURFACE)), width)
        return self.marked(strip, line)
