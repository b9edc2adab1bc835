"""The tags of a list as a choice: those that are chosen first, then the most common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lunalux_core.library.market_cache import MarketCard
from lunalux_tui.i18n import t
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

CARDS = 500
"""Cards of the list whose tags are offered."""


class TagsFilterDialog(PickDialog):
    """Answers the number of a tag in `names`, or None."""

    def __init__(self, cards: Sequence[MarketCard], chosen: Sequence[str]) -> None:
        # A card counts once for a tag, however often it names it.
        counts = Counter(tag for card in cards for tag in dict.fromkeys(card.tags))
        self.names = [*chosen, *(tag for tag, _ in counts.most_common() if tag not in chosen)]
        rows = [
            Row(f"{place}", tag, right=str(counts[tag]), mark="✓" if tag in chosen else "·")
            for place, tag in enumerate(self.names)
        ]
        super().__init__(t("market.tags.title"), rows, hint=t("market.tags.hint"))
