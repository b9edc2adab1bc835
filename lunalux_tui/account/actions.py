"""What can be done on the user screen."""

from __future__ import annotations

from lunalux_tui.actions import Action

ACCOUNT_ACTIONS = (
    Action("account.username", "username", "u", footer=2),
    Action("account.coupon", "coupon", "c", footer=1),
    Action("account.copy_invite", "copy_invite", "i", footer=3),
    Action("account.copy_id", "copy_id", "y"),
    Action("account.settle", "settle", "s", footer=4),
    Action("account.more", "more", "m"),
    Action("account.refresh", "refresh", "r,ctrl+r", footer=5),
    Action("account.sign_in", "sign_in", "o", footer=6),
    Action("account.sign_up", "sign_up", "n", footer=7),
    Action("account.use_local", "use_local", "a", footer=8),
    Action("account.sign_out", "sign_out", "x", footer=9),
    Action("account.erase", "erase", "E"),
    Action("account.down", "scroll(3)", "j,down", palette=False),
    Action("account.up", "scroll(-3)", "k,up", palette=False),
)
