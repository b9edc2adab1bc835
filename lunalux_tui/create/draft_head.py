"""The line over the character editor: who is written, what is unsaved, how much there is, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from lunalux_core.editor.card_fields import FIELDS
from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_checks import FieldRemark, tokens
from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, ERROR, MUTED, SURFACE, WARNING


class CreateHead(Bar):
    """Title, name, state; tokens and problems at the right."""

    GROUND = SURFACE

    name_shown: reactive[str] = reactive("")
    is_new: reactive[bool] = reactive(True)
    unsaved: reactive[bool] = reactive(False)
    kept: reactive[bool] = reactive(True)
    tokens: reactive[int] = reactive(0)
    errors: reactive[int] = reactive(0)
    warnings: reactive[int] = reactive(0)

    def show(self, draft: Draft, problems: Sequence[FieldRemark], *, kept: bool) -> None:
        """Show how a draft stands, with what is wrong with it."""
        self.kept = kept
        self.name_shown = draft.card.name
        self.is_new = not draft.character_id
        self.unsaved = draft.changed
        self.errors = sum(problem.level == "error" for problem in problems)
        self.warnings = sum(problem.level == "warning" for problem in problems)
        self.tokens = sum(tokens(field.shown(draft.document)) for field in FIELDS if field.sent)
        self.refresh()

    def left(self) -> Sequence[Part]:
        name = clean_line(self.name_shown, 40) or t("create.nameless")
        title = t("create.new" if self.is_new else "create.editing")
        if not self.kept:
            state, style = t("create.state.writing"), MUTED
        elif self.unsaved:
            state, style = t("create.state.unsaved"), WARNING
        else:
            state, style = t("create.state.empty" if self.is_new else "create.state.saved"), MUTED
        return [
            Part(title, MUTED, weight=2),
            Part(name, CHARACTER | BOLD, "screen.sections"),
            Part(state, style, weight=3),
        ]

    def right(self) -> Sequence[Part]:
        parts = []
        if self.errors:
            parts.append(Part(f"✗ {self.errors}", ERROR | BOLD, "screen.problems"))
        if self.warnings:
            parts.append(Part(f"⚠ {self.warnings}", WARNING, "screen.problems", weight=4))
        parts.append(Part(t("create.tokens", n=self.tokens, count=f"{self.tokens:,}"), ACCENT, weight=1))
        return parts
