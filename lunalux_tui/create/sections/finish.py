"""The last part of the editor: what is still wrong, and where the character goes."""

from __future__ import annotations

from textual import getters, on
from textual.app import ComposeResult

from lunalux_core.editor.draft_checks import FieldRemark, check
from lunalux_tui.actions import Action
from lunalux_tui.create.sections import section_of
from lunalux_tui.create.sections.editor_section import EditorSection
from lunalux_tui.i18n import t
from lunalux_tui.parts.explanation import Explanation, ExplanationView
from lunalux_tui.parts.rows import Row, Rows

STEPS = (
    "save",
    "chat",
    "picture",
    "no_picture",
    "export",
    "publish",
    "save_json",
    "copy_json",
    "open",
    "import",
    "clear",
    "discard",
)
"""What can be done with the whole; each is the action `create.<step>`."""
MARKS = {"error": "✗", "warning": "⚠", "note": "·"}


class FinishSection(EditorSection):
    """What can be done, then the remarks of all fields; enter does the one or goes to the other."""

    rows = getters.query_one("#finish-rows", Rows)

    def compose(self) -> ComposeResult:
        yield Rows(ground=0, id="finish-rows")
        yield ExplanationView()

    def read(self) -> None:
        self._problems = check(self.draft.document)
        actions = {action.id: action for action in self.host.ACTIONS}
        rows = []
        for step in STEPS:
            if self.host.check_action(step, ()) is not True:
                continue
            action: Action = actions[f"create.{step}"]
            key = self.host.key_of(action)
            rows.append(Row(f"do {step}", action.help.rstrip(".。"), mark="▸", right=key))
        for number, problem in enumerate(self._problems):
            rows.append(
                Row(
                    f"see {number}",
                    self._words(problem),
                    right=self._where(problem),
                    mark=MARKS[problem.level],
                )
            )
        self.rows.set_rows(rows)
        self._explain()

    def retranslate(self) -> None:
        self.read()

    def _words(self, problem: FieldRemark) -> str:
        return t(f"create.check.{problem.code}", **problem.params)

    def _where(self, problem: FieldRemark) -> str:
        if problem.field == "greetings":
            return t("create.section.greetings")
        return t(f"create.field.{problem.field}.label")

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self._explain()

    def _explain(self) -> None:
        if not self._problems:
            state = t("create.finish.good")
        else:
            count = {level: sum(problem.level == level for problem in self._problems) for level in MARKS}
            state = t(
                "create.finish.problems",
                errors=count["error"],
                warnings=count["warning"],
                notes=count["note"],
            )
        self.query_one(ExplanationView).told = Explanation(state, t("create.finish.help"))

    @on(Rows.Chosen)
    async def _chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        kind, _, what = event.id.partition(" ")
        if kind == "do":
            await self.host.run_action(f"screen.{what}")
        else:
            problem = self._problems[int(what)]
            self.host.show_section(section_of(problem.field), enter=True, at=problem.field)

    def enter(self) -> None:
        self.rows.focus()
