"""The trackers of a conversation with what they hold on this branch: run, corrected, made, changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import LunaluxError
from lunalux_core.library.memories import PERSON
from lunalux_core.library.trackers import POSITIONS, ROLES, RUNS, Tracker, TrackerState
from lunalux_core.text import clean_line
from lunalux_tui import i18n
from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.memory.tab import Tab, TabEntry
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.form_field import too_long
from lunalux_tui.parts.rows import Row
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, WARNING, Run

if TYPE_CHECKING:
    from textual.worker import Worker

    from lunalux_core.language import Language
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.fields_dialog import Values

SIGNS = {"empty": " ", "fresh": " ", "edited": "✎", "stale": "≠", "failed": "✗"}
OWN = "own"
"""Id of the row for a tracker without a template."""
RUN = "run-trackers"
"""Group of the worker in which trackers are run."""


class TrackersTab(Tab):
    """The list of trackers."""

    KIND = "trackers"
    ACTIONS = (
        Action("trackers.value", "value", "e", footer=1, palette=False),
        Action("trackers.run", "run", "r", footer=2, palette=False),
        Action("trackers.run_all", "run(True)", "R", footer=3, palette=False),
        Action("trackers.stop", "stop", "x", footer=4, palette=False),
        Action("trackers.add", "add", "a", footer=5, palette=False),
        Action("trackers.change", "change", "o", footer=6, palette=False),
        Action("trackers.switch", "switch", "space", footer=7, palette=False),
        Action("trackers.delete", "delete", "d,delete", footer=8, palette=False),
        Action("trackers.filter", "filter", "slash,ctrl+f", footer=9, palette=False),
        Action("trackers.copy", "copy", "y", palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    def __init__(self, runtime: Runtime, conversation_id: str) -> None:
        super().__init__(runtime, conversation_id)
        self._tracker_states: dict[str, TrackerState] = {}
        self._at_work: Worker[None] | None = None

    async def read(self) -> None:
        shown = await self.runtime.library.trackers.shown(self.conversation_id)
        self._tracker_states = {state.tracker.id: state for state in shown}
        self.show([_entry(state) for state in shown])

    def state(self) -> str:
        return t("memory_pane.tracker.running") if self._at_work is not None else ""

    @property
    def chosen_state(self) -> TrackerState | None:
        """The tracker under the cursor, with its value on this branch."""
        return self._tracker_states.get(self.chosen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if not self.is_mounted or action in ("add", "filter"):
            return True
        if action == "stop":
            return self._at_work is not None
        if action == "run":
            return self.chosen_state is not None and self._at_work is None
        return (
            self.chosen_state is not None
            if action in {"value", "change", "switch", "delete", "copy"}
            else True
        )

    # -- running -----------------------------------------------------------------------------------

    def action_run(self, all_of_them: bool = False) -> None:
        state = self.chosen_state
        if state is None or self._at_work is not None:
            return
        ids = () if all_of_them else (state.tracker.id,)

        async def work() -> None:
            await self._run(ids)

        self._at_work = self.screen.run_worker(work, group=RUN, exit_on_error=False)
        self.post_message(self.Counted())
        self.screen.refresh_bindings()

    async def _run(self, ids: tuple[str, ...]) -> None:
        try:
            revised = await self.runtime.trackers.run(self.conversation_id, ids)
            self._tell(revised)
        except LunaluxError as error:
            self.say(in_a_row(*tell(error)), warn=True)
        finally:
            # Also when it was stopped: from now on trackers can be run again.
            self._at_work = None
            self.post_message(self.Counted())
        await self.read()

    def _tell(self, revised: list[Any]) -> None:
        error = next((revision.error for revision in revised if revision.error is not None), None)
        if error is not None:
            self.say(in_a_row(*tell(error)), warn=True)
        elif any(revision.asked for revision in revised):
            self.say(t("memory_pane.tracker.ran"))
        else:
            self.say(t("memory_pane.tracker.nothing_new"))

    def action_stop(self) -> None:
        if self._at_work is not None:
            self._at_work.cancel()
            self.say(t("memory_pane.stopped"))

    # -- by hand -----------------------------------------------------------------------------------

    def action_value(self) -> None:
        if (state := self.chosen_state) is not None:
            self.start(self._value, state)

    async def _value(self, state: TrackerState) -> None:
        from lunalux_core.trackers.keeper import checked_by_hand
        from lunalux_tui.parts.fields_dialog import FormField

        tracker = state.tracker
        # Before its first value a tracker of text begins with its pattern.
        stored = value_text(state) or (tracker.shape if tracker.form == "text" else "")
        if too_long(stored):
            self.say(t("memory_pane.too_long"), warn=True)
            return

        async def save(written: Values) -> None:
            value = checked_by_hand(tracker, written["value"])
            await self.runtime.library.trackers.set(tracker.id, value)

        title = t("memory_pane.tracker.form.value_title", name=tracker.name)
        values = {"value": stored}
        key = f"tracker:value:{tracker.id}"
        if await self._ask(key, title, [FormField("value", "text")], values, save):
            self.say(t("memory_pane.tracker.edited", name=tracker.name))

    def action_add(self) -> None:
        self.start(self._add)

    async def _add(self) -> None:
        from lunalux_core.trackers.tracker_templates import TEMPLATES, story_language, template_named
        from lunalux_tui.parts.pick_dialog import PickDialog

        spoken: Language = "zh" if i18n.language() == "zh" else "en"
        language = await self.runtime.library.database.read(
            lambda c: story_language(c, self.conversation_id, spoken)
        )
        rows = [Row(OWN, t("memory_pane.tracker.own"), t("memory_pane.tracker.own_told"), mark="+")]
        for template in TEMPLATES:
            words = template.wording(language)
            rows.append(Row(template.key, words.name, words.instruction))
        chosen = await self.ask(PickDialog(t("memory_pane.tracker.which"), rows, two_lines=True))
        if not chosen:
            return
        tracker = Tracker("", self.conversation_id, "", "")
        if chosen != OWN:
            tracker = template_named(chosen).tracker(self.conversation_id, language)

        async def save(written: Values) -> None:
            await self.runtime.library.trackers.add(replace(tracker, **_definition(written)))

        title = t("memory_pane.tracker.form.add_title")
        if await self._ask_definition(f"tracker:new:{self.conversation_id}:{chosen}", title, tracker, save):
            self.say(t("memory_pane.tracker.added"))

    def action_change(self) -> None:
        if (state := self.chosen_state) is not None:
            self.start(self._change, state.tracker)

    async def _change(self, tracker: Tracker) -> None:
        async def save(written: Values) -> None:
            await self.runtime.library.trackers.edit(tracker.id, **_definition(written))

        title = t("memory_pane.tracker.form.change_title", name=tracker.name)
        if await self._ask_definition(f"tracker:{tracker.id}", title, tracker, save):
            self.say(t("memory_pane.tracker.changed", name=tracker.name))

    async def _ask_definition(self, key: str, title: str, tracker: Tracker, save: Any) -> bool:
        from lunalux_tui.parts.fields_dialog import FormField

        fields = [
            FormField("name"),
            FormField("instruction", "text"),
            FormField("run", "choice", RUNS),
            FormField("every", "number", low=1, high=1000),
            FormField("position", "choice", POSITIONS),
            FormField("depth", "number", low=0, high=10_000),
            FormField("role", "choice", ROLES),
            FormField("shape", "text"),
        ]
        values = {field.name: str(getattr(tracker, field.name)) for field in fields}
        values["shape"] = _pretty(tracker.shape) if tracker.form == "json" else tracker.shape
        return await self._ask(key, title, fields, values, save)

    async def _ask(self, key: str, title: str, fields: Any, values: Values, save: Any) -> bool:
        """Whether something was saved; what was not is kept."""
        from lunalux_tui.parts.fields_dialog import ask_fields

        drafts, words = self.runtime.library.drafts, "memory_pane.tracker.form"
        saved = await ask_fields(self.app, drafts, key, title, fields, words, values, save)
        await self.read()
        if saved is None and await drafts.get(key):
            self.say(t("memory_pane.draft_kept"))
        return saved is not None

    def action_switch(self) -> None:
        if (state := self.chosen_state) is not None:
            self.start(self._switch, state.tracker)

    async def _switch(self, tracker: Tracker) -> None:
        await self.runtime.library.trackers.edit(tracker.id, enabled=not tracker.enabled)
        await self.read()

    def action_delete(self) -> None:
        if (state := self.chosen_state) is not None:
            self.start(self._delete, state.tracker)

    async def _delete(self, tracker: Tracker) -> None:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = t("memory_pane.tracker.delete_question", name=tracker.name)
        if await self.ask(ConfirmDialog(t("memory_pane.tracker.delete_title"), question)):
            await self.runtime.library.trackers.delete(tracker.id)
            await self.read()
            self.say(t("memory_pane.tracker.deleted", name=tracker.name))


def _definition(written: Values) -> dict[str, Any]:
    """The fields of a tracker; its form follows from its shape. Raises InvalidInput (TRACKER_SHAPE)."""
    from lunalux_core.trackers.shape import read_shape

    shape = written["shape"].strip()
    form, shape = read_shape(shape) if shape else ("text", "")
    return {
        "name": clean_line(written["name"], 60),
        "instruction": written["instruction"],
        "run": written["run"],
        "every": int(written["every"]),
        "position": written["position"],
        "depth": int(written["depth"]),
        "role": written["role"],
        "form": form,
        "shape": shape,
    }


def value_text(state: TrackerState) -> str:
    """What a tracker holds, as it is read: JSON over several lines."""
    if state.value is None:
        return ""
    return _pretty(state.value.value) if state.tracker.form == "json" else state.value.value


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _entry(state: TrackerState) -> TabEntry:
    tracker = state.tracker
    value = value_text(state)
    words = "memory_pane.tracker"
    status = t(f"{words}.status.{state.status}" if tracker.enabled else f"{words}.off")
    row = Row(
        tracker.id,
        tracker.name,
        clean_line(value, 300) or t("memory_pane.tracker.no_value"),
        f"{status} · {_when(tracker)}",
        SIGNS[state.status] if tracker.enabled else "○",
        strong=tracker.enabled,
    )
    return TabEntry(row, value or tracker.instruction, lambda: list(_told(state)))


def _when(tracker: Tracker) -> str:
    return t(f"memory_pane.tracker.when.{tracker.run}", n=tracker.every)


def _told(state: TrackerState) -> Iterator[Run]:
    tracker = state.tracker
    yield tracker.name, ACCENT | BOLD
    place = t(f"memory_pane.tracker.form.positions.{tracker.position}")
    if tracker.position == "in_chat":
        role = t(f"memory_pane.tracker.form.roles.{tracker.role}")
        place = t("memory_pane.tracker.place", n=tracker.depth, role=role)
    yield f"{_when(tracker)} · {place}", MUTED
    if tracker.reason:
        yield tracker.reason, ERROR
    if state.stale is not None:
        yield t("memory_pane.tracker.stale_told"), WARNING
    yield "", 0
    yield value_text(state) or t("memory_pane.tracker.no_value"), 0
    if state.value is not None:
        by = state.value.made_by
        by = t("memory_pane.by_you") if by == PERSON else clean_line(by, 60)
        yield t("memory_pane.made_by", name=by), MUTED
    yield "", 0
    yield t("memory_pane.tracker.form.instruction"), ACCENT | BOLD
    yield tracker.instruction, MUTED
    if tracker.shape:
        yield "", 0
        yield t("memory_pane.tracker.form.shape"), ACCENT | BOLD
        yield _pretty(tracker.shape) if tracker.form == "json" else tracker.shape, MUTED
