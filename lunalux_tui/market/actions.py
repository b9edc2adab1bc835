"""What can be done in the market."""

from __future__ import annotations

from lunalux_tui.actions import Action

LIST_ACTIONS = (
    Action("market.search", "search", "slash,ctrl+f", footer=1),
    Action("market.sort", "sort", "s", footer=2),
    Action("market.language", "language", "z", footer=9),
    Action("market.nsfw", "nsfw", "n", footer=8),
    Action("market.original", "original", "o"),
    Action("market.tags", "tags", "t", footer=7),
    Action("market.refresh", "refresh", "r,ctrl+r", footer=10),
    Action("market.publish", "publish", "p", footer=6),
    Action("market.mine", "mine", "m", footer=11),
    Action("market.back", "back", "escape", palette=False),
)

CARD_ACTIONS = (
    Action("market.details", "details", "enter", footer=3),
    Action("market.chat", "chat", "c", footer=4),
    Action("market.like", "like", "l", footer=5),
    Action("market.download", "download", "d"),
    Action("market.report", "report", "x"),
)
"""These act on the card that the cursor is on."""
