"""Bringing characters together: a list that narrows, in which several are marked."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import Input

from lunalux_core.library.character_list import CharacterSummary
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

LEAST = 2


class NewGroupDialog(PickDialog):
    """Answers the ids of the chosen characters, one blank between them, in the order they were chosen.

    Enter or a click marks a character, which gets its number in the group, or takes the mark away.
    """

    ACTIONS = (
        Action("group_new.mark", "choose", "enter", footer=80, priority=True, palette=False),
        Action("group_new.done", "done", "ctrl+s", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    TWO_LINES = True

    def __init__(
        self, characters: Sequence[CharacterSummary], chosen: Sequence[str] = (), least: int = LEAST
    ) -> None:
        super().__init__(question("group_new.title"), hint=question("group_new.hint"))
        self._characters = characters
        self._least = least
        self._chosen = list(chosen)

    def on_mount(self) -> None:
        super().on_mount()
        self._draw()

    def _draw(self) -> None:
        rows = [
            Row(
                character.id,
                character.name,
                character.intro or character.creator,
                mark=str(self._chosen.index(character.id) + 1) if character.id in self._chosen else "·",
                strong=character.id in self._chosen,
            )
            for character in self._characters
        ]
        self.show(rows, at=self.rows.chosen or None)
        names = [
            character.name for id in self._chosen for character in self._characters if character.id == id
        ]
        # A subtitle is read as markup, in which a bracket begins a tag.
        self.query_one("#dialog").border_subtitle = in_a_list(names).replace("[", "\\[")

    @on(Input.Submitted, "#narrow")
    def action_choose(self) -> None:
        chosen = self.rows.chosen
        if not chosen:
            return
        if chosen in self._chosen:
            self._chosen.remove(chosen)
        else:
            self._chosen.append(chosen)
        self._draw()

    def action_done(self) -> None:
        if len(self._chosen) < self._least:
            self.notify(t("dialog.group_new.too_few", n=self._least), severity="warning", markup=False)
            return
        self.dismiss(" ".join(self._chosen))
