"""Choosing tags from the list that the market knows."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import Input

from lunalux_core.editor.draft_checks import MARKET_TAGS
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row, Rows


class TagsDialog(PickDialog):
    """Shows the tags; enter marks one, escape answers all marked, between commas.

    Args:
        offered: the configured list; at most three of it can be marked.
        chosen: the character's tags. Those that are not in the list stay as they are.
    """

    ACTIONS = (Action("tags.done", "done", "ctrl+s", footer=81, priority=True, palette=False), CANCEL)
    BINDINGS = [*PickDialog.BINDINGS, *bindings(ACTIONS)]  # noqa: RUF012

    def __init__(self, offered: Sequence[str], chosen: Sequence[str]) -> None:
        super().__init__(t("create.tags.title"), hint=t("create.tags.hint", most=MARKET_TAGS))
        self._offered = offered
        self._chosen = list(chosen)

    def on_mount(self) -> None:
        super().on_mount()
        self._show()

    def _show(self) -> None:
        marked = {tag.casefold() for tag in self._chosen}
        self.show(
            [Row(tag, tag, mark="✓" if tag.casefold() in marked else "·") for tag in self._offered],
        )

    @on(Input.Submitted, "#narrow")
    @on(Rows.Chosen)
    def _mark(self, event: Input.Submitted | Rows.Chosen) -> None:
        """Mark the tag under the cursor, or take its mark away; the dialog stays open."""
        event.stop()
        event.prevent_default()  # the base class would answer with it
        tag = self.rows.chosen
        if not tag:
            return
        marked = {tag.casefold() for tag in self._chosen}
        if tag.casefold() in marked:
            self._chosen = [other for other in self._chosen if other.casefold() != tag.casefold()]
        elif len(marked & {tag.casefold() for tag in self._offered}) >= MARKET_TAGS:
            warning = t("create.tags.enough", most=MARKET_TAGS)
            self.notify(warning, markup=False, severity="warning", timeout=3)
            return
        else:
            self._chosen.append(tag)
        self._show()

    def action_done(self) -> None:
        self.dismiss(", ".join(self._chosen))

    def action_cancel(self) -> None:
        self.action_done()
