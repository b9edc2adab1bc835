"""The regex scripts a card brings: what each works on and what it changes, allowed or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.explanation import Explanation, ExplanationView
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import SURFACE

if TYPE_CHECKING:
    from lunalux_core.chat.card_scripts import CardScripts
    from lunalux_core.regex.script import RegexScript


class ScriptsDialog(Dialog[tuple[str, bool]]):
    """Answers whose scripts may run or not: (character id, allowed), or None."""

    ACTIONS = (
        Action("card_scripts.allow", "answer(True)", "y", footer=81, palette=False),
        Action("card_scripts.refuse", "answer(False)", "n", footer=82, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-tall -broad"

    def __init__(self, cards: Sequence[CardScripts]) -> None:
        super().__init__(question("card_scripts.title"), hint=question("card_scripts.hint"))
        self._scripts: dict[str, tuple[CardScripts, RegexScript]] = {
            f"{card.character_id} {place}": (card, script)
            for card in cards
            for place, script in enumerate(card.scripts)
        }

    def compose_body(self) -> ComposeResult:
        yield Rows(ground=SURFACE, id="card-scripts")
        yield ExplanationView(id="script-told")

    @property
    def rows(self) -> Rows:
        return self.query_one("#card-scripts", Rows)

    def on_mount(self) -> None:
        marks = {None: "?", True: "✓", False: "✗"}
        rows = [
            Row(
                place,
                clean_line(script.name or script.find, 80),
                right=f"{clean_line(card.name, 24)} · {t(f'scripts.allowed.{str(card.allowed).lower()}')}",
                mark=marks[card.allowed],
            )
            for place, (card, script) in self._scripts.items()
        ]
        self.rows.set_rows(rows)
        self.rows.focus()
        self._explain()

    @on(Rows.Moved)
    def _explain(self) -> None:
        from lunalux_core.chat.card_scripts import changes, works_on

        if self.rows.chosen not in self._scripts:
            return
        _, script = self._scripts[self.rows.chosen]
        comma = t("settings.list_comma")
        facts = [
            (t("scripts.works_on"), comma.join(t(f"scripts.on.{work}") for work in works_on(script)) or "-"),
            (t("scripts.changes"), comma.join(t(f"scripts.target.{change}") for change in changes(script))),
            (t("scripts.pattern"), clean_line(script.find, 400)),
            (t("scripts.replacement"), clean_line(script.replace, 400) or t("scripts.nothing")),
        ]
        depths = (script.min_depth, script.max_depth)
        # A depth below 0 is no bound.
        if any(depth is not None and depth >= 0 for depth in depths):
            first, last = ("" if depth is None or depth < 0 else str(depth) for depth in depths)
            facts.insert(2, (t("scripts.depth"), f"{first or 0} – {last or '∞'}"))
        told = Explanation(clean_line(script.name or script.find, 120), facts=facts)
        self.query_one(ExplanationView).told = told

    def action_answer(self, allowed: bool) -> None:
        if self.rows.chosen in self._scripts:
            self.dismiss((self._scripts[self.rows.chosen][0].character_id, allowed))
