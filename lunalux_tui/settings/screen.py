"""The settings screen: sections, what can be set in each, and what it means; drawn from the declarations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from textual import getters, on, work
from textual.actions import parse
from textual.app import ComposeResult
from textual.reactive import reactive
from textual.widgets import Input

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.drawn import Bar, Column, Part, SideBySide
from lunalux_tui.parts.explanation import ExplanationView
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.settings.sections import BY_ID, SECTIONS, Section
from lunalux_tui.settings.sections.search_results import SearchResults
from lunalux_tui.settings.sections.section_view import SectionView
from lunalux_tui.theme.styles import BOLD, CHARACTER, MUTED, SURFACE, WARNING

SETTINGS_ACTIONS = (
    Action("settings.search", "search", "slash,ctrl+f", footer=20),
    Action("settings.sections", "sections", "escape,left,h", footer=21, palette=False),
    Action("settings.problems", "problems", "p", footer=22),
    Action("settings.help", "app.help", "question_mark", palette=False),
)
FOUND = Section("found")


class SectionRows(Rows):
    """The list of sections."""

    ACTIONS = (Action("settings.enter", "screen.enter", "enter,right,l", footer=1, palette=False),)
    BINDINGS = bindings(ACTIONS)


class SearchField(OneLineInput):
    """Words that narrow the settings; down and enter go to what was found."""

    ACTIONS = (Action("settings.found", "screen.enter", "enter,down", footer=1, palette=False),)
    BINDINGS = bindings(ACTIONS)


class SettingsHead(Bar):
    """The line over the settings: the title, the section, and what is wrong with the files."""

    GROUND = SURFACE

    section: reactive[str] = reactive("")
    problems: reactive[int] = reactive(0)

    def left(self) -> Sequence[Part]:
        return [
            Part(t("place.settings.title"), CHARACTER | BOLD, "screen.sections"),
            Part(f"▸ {self.section}", MUTED),
        ]

    def right(self) -> Sequence[Part]:
        if not self.problems:
            return []
        return [Part(f"⚠ {t('settings.problems', n=self.problems)}", WARNING | BOLD, "screen.problems")]


class SettingsScreen(LunaScreen[None]):
    """Everything that can be changed, in one place."""

    PLACE = "settings"
    AUTO_FOCUS = "#sections"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = SETTINGS_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (68, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012

    head = getters.query_one(SettingsHead)
    sections = getters.query_one("#sections", Rows)
    field = getters.query_one("#settings-search", Input)

    def __init__(self) -> None:
        super().__init__()
        self.section = SECTIONS[0]
        self._views: dict[str, SectionView] = {}
        self._built = False
        self._wanted = ""
        """The section to begin with, when one was asked for before the screen stood."""
        self._wanted_row = ""

    @property
    def ready(self) -> bool:
        """Whether a section is shown already."""
        return self.section.id in self._views

    @property
    def section_view(self) -> SectionView:
        """What is shown at the right."""
        return self._views[self.section.id]

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        yield SettingsHead()
        with SideBySide(id="settings-body"):
            yield SectionRows(id="sections")
            with Column(id="settings-main"):
                yield SearchField(id="settings-search", placeholder=t("settings.search"), compact=True)
                yield Column(id="settings-place")
                yield ExplanationView()
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_class(True, "-sections")
        self.retranslate()
        self._built = True
        wanted, self._wanted = self._wanted, ""
        self.show_section(wanted or self.section.id, enter=bool(wanted), at=self._wanted_row)

    def retranslate(self) -> None:
        """The words of the screen itself; views look after their own."""
        self.field.placeholder = t("settings.search")
        self.sections.set_rows([Row(section.id, section.title) for section in SECTIONS])
        self._tell_where()

    def apply_settings(self) -> None:
        """Follow the settings in force."""
        if self.ready:
            self._tell_where()
            self.section_view.read()
            self.refresh_bindings()

    def on_screen_resume(self) -> None:
        if self.ready:
            self.section_view.read()
            self._tell_where()

    def _tell_where(self) -> None:
        self.head.section = t("settings.found") if self.section is FOUND else self.section.title
        self.head.problems = len(self.lunalux.problems())

    # -- sections ----------------------------------------------------------------------------------

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a section; `enter` puts the cursor into it, on the row `at` if one is named."""
        if not self._built:
            self._wanted, self._wanted_row = section_id, at
            return
        self._show(BY_ID[section_id])
        if self.sections.chosen != section_id:
            self.sections.set_rows(self.sections.rows, at=section_id)
        if enter:
            self.action_enter()
        if at:
            self.call_after_refresh(self.section_view.go_to, at)

    def _show(self, section: Section) -> None:
        self.section = section
        if section.id not in self._views:
            view = SearchResults(section) if section is FOUND else section.make()
            self._views[section.id] = view
            self.query_one("#settings-place").mount(view)
        # Search results are read by `seek`, which knows the words.
        elif section is not FOUND:
            self._views[section.id].read()
        for section_id, view in self._views.items():
            view.display = section_id == section.id
        self.sections.current = "" if section is FOUND else section.id
        self._tell_where()
        self.explain()

    def explain(self) -> None:
        """Explain what the cursor stands on."""
        # A pane that is only being mounted has no screen yet; it explains itself when it reads.
        if self.ready and (view := self.section_view).is_attached:
            self.query_one(ExplanationView).told = view.explain(view.chosen)

    def action_sections(self) -> None:
        """Back to the list of sections."""
        self.field.value = ""
        if self.section is FOUND:
            self._show(BY_ID[self.sections.chosen or SECTIONS[0].id])
        self.add_class("-sections")
        self.sections.focus()

    def action_enter(self) -> None:
        """Into the section that is shown, or that the cursor is on."""
        if self.ready:
            # The keys may be faster than the messages that show a section for each row.
            if self.sections.has_focus and self.sections.chosen not in ("", self.section.id):
                self._show(BY_ID[self.sections.chosen])
            self.remove_class("-sections")
            # Textual gives no focus to what is not displayed yet.
            self.call_after_refresh(self.section_view.focus)

    def action_search(self) -> None:
        self.remove_class("-sections")
        self.call_after_refresh(self.field.focus)

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        if event.rows is not self.sections:
            self.explain()
        elif event.rows.has_focus:
            self._show(BY_ID[self.sections.chosen])  # the cursor may have gone on since

    @on(Rows.Chosen, "#sections")
    def _chosen(self) -> None:
        self._show(BY_ID[self.sections.chosen])
        self.action_enter()

    @on(Input.Changed, "#settings-search")
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        if event.value.strip():
            self._show(FOUND)
            cast(SearchResults, self.section_view).seek(event.value)
        elif self.section is FOUND:
            self._show(BY_ID[self.sections.chosen or SECTIONS[0].id])

    # -- what can be done in a section -------------------------------------------------------------

    def _deed(self, action_id: str) -> Action | None:
        """The action of that id, where the section that is shown has it."""
        return (
            next((action for action in self.section_view.DOES if action.id == action_id), None)
            if self.ready
            else None
        )

    def _can(self, wanted: Action) -> bool:
        _, name, parameters = parse(wanted.method)
        return self.section_view.check_action(name, parameters) is not False

    async def action_section(self, action_id: str) -> None:
        """Do something in the section that is shown."""
        wanted = self._deed(action_id)
        if wanted is not None:
            await self.section_view.run_action(wanted.method)

    # -- problems ----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sections":  # at the root, escape leads to the chat
            return not (self.sections.has_focus and not self.field.value)
        if action == "problems":
            return bool(self.lunalux.problems())
        if action == "section":
            wanted = self._deed(str(parameters[0]))
            return wanted is not None and self._can(wanted)
        return True

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_problems(self) -> None:
        """What is wrong with configuration, themes, keys and words, each with its file."""
        from lunalux_tui.parts.read_dialog import ReadDialog

        problems = [in_a_row(*tell(problem)) for problem in self.lunalux.problems()]
        await self.app.push_screen_wait(ReadDialog(t("settings.problems_title"), "\n\n".join(problems)))
