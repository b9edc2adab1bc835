"""Choosing the kind of card file that is written."""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_tui.i18n import t
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row


class ExportCardDialog(PickDialog):
    """Shows kinds of files with what each is good for; answers one, or None."""

    TWO_LINES = True

    def __init__(self, kinds: Sequence[str]) -> None:
        words = "create.export"
        super().__init__(
            t(f"{words}.title"),
            [Row(one, t(f"{words}.{one}.title"), t(f"{words}.{one}.help")) for one in kinds],
        )
