"""A regex script of the library: what it finds and puts in, where it runs, and what it makes of a text.

Every change is kept on a pause of typing and when the screen is left; undo brings it back while it is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.timer import Timer

from lunalux_core.regex.script import read_script
from lunalux_core.text import clean, clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import note, t
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.drawn import Bar, Column, Part, SideBySide
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.kept_head import KeptHead
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, WARNING

if TYPE_CHECKING:
    from lunalux_core.library.shelf import ShelfItem
    from lunalux_core.regex.substitution import ScriptResult, Target

PAUSE = 0.3
"""Seconds without a key after which the change is kept and the text is tried again."""

TEXTS = {"scriptName": "line", "findRegex": "line", "replaceString": "text", "trimStrings": "line"}
FLAGS = ("markdownOnly", "promptOnly", "runOnEdit")
# SillyTavern's numbers: replies, what the person writes, worldbook entries, thinking.
PLACES = (2, 1, 5, 6)
DEPTHS = ("minDepth", "maxDepth")
DEEPEST = 10_000
SUBSTITUTE = "substituteRegex"

SCRIPT_ACTIONS = (
    Action("script.leave", "leave", "escape", footer=30, palette=False),
    Action("script.undo", "undo", "ctrl+z", footer=21, priority=True),
    Action("script.test", "try_text", "f10", footer=20, priority=True),
)


class PreviewHead(Bar):
    """What the script did to the text, in a few words."""

    words = ""
    warns = False

    def left(self) -> Sequence[Part]:
        style = WARNING if self.warns else MUTED
        return [Part(t("script_edit.preview"), ACCENT | BOLD), Part(self.words, style)]


class ScriptScreen(LunaScreen[None]):
    """Edits a script of the shelf; the preview follows what is typed."""

    PLACE = "script"
    AUTO_FOCUS = ""
    CSS_PATH: ClassVar = ["../create/screen.tcss", "screen.tcss"]
    ACTIONS = SCRIPT_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012

    head = getters.query_one(KeptHead)
    rows = getters.query_one("#script-rows", Rows)
    verdict = getters.query_one(PreviewHead)
    preview = getters.query_one("#script-result", Reader)

    def __init__(self, item: ShelfItem) -> None:
        super().__init__()
        self._item = item
        document = item.document if isinstance(item.document, dict) else {}
        self._history: list[Mapping[str, Any]] = [document]
        self._kept: Mapping[str, Any] = document
        self._text = ""
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        yield KeptHead()
        with SideBySide(id="script-body"):
            with VerticalScroll(can_focus=False, id="script-fields", classes="fields"):
                for name, kind in TEXTS.items():
                    yield FieldBox(name, f"script_edit.{name}", kind)
            yield Rows(ground=0, id="script-rows")
        with Column(id="script-trial"):
            yield PreviewHead()
            with SideBySide(id="script-texts"):
                yield FieldBox("trial", "script_edit.trial", "text")
                yield Reader(id="script-result")
        yield KeyBar()

    def on_mount(self) -> None:
        self._show()
        self._box("findRegex").target.focus()

    @property
    def document(self) -> Mapping[str, Any]:
        """The script as it is now."""
        return self._history[-1]

    def _box(self, name: str) -> FieldBox:
        return next(box for box in self.query(FieldBox) if box.field == name)

    def retranslate(self) -> None:
        self._show()

    # -- showing -----------------------------------------------------------------------------------

    def _show(self) -> None:
        script = read_script(self.document)
        shown = {
            "scriptName": script.name or self._item.name,
            "findRegex": script.find,
            "replaceString": script.replace,
            "trimStrings": ", ".join(script.trim_strings),
        }
        for name, text in shown.items():
            self._box(name).show(clean(text).replace("\n", " ") if TEXTS[name] == "line" else clean(text))
        self._show_rows()
        self._show_state()
        self._try_soon()

    def _show_state(self) -> None:
        self.head.name_shown = str(self.document.get("scriptName") or self._item.name)
        # By identity: every change makes a new document, and undo brings an old one back.
        self.head.kept = self.document is self._kept
        self.refresh_bindings()

    def _show_rows(self) -> None:
        script = read_script(self.document)
        on = {"markdownOnly": script.markdown_only, "promptOnly": script.prompt_only}
        on["runOnEdit"] = script.run_on_edit
        depths = {"minDepth": script.min_depth, "maxDepth": script.max_depth}
        rows = [
            Row(f"place {place}", t(f"script_edit.place.{place}"), right=_switch(place in script.placement))
            for place in PLACES
        ]
        rows += [Row(flag, t(f"script_edit.{flag}.label"), right=_switch(on[flag])) for flag in FLAGS]
        how = t(f"script_edit.substitute.{script.substitute if script.substitute in (0, 1, 2) else 0}")
        rows.append(Row(SUBSTITUTE, t("script_edit.substitute.label"), right=how))
        for name, depth in depths.items():
            words = t("script_edit.no_limit") if depth is None else str(depth)
            rows.append(Row(name, t(f"script_edit.{name}.label"), right=words))
        self.rows.set_rows(rows)

    # -- changing ----------------------------------------------------------------------------------

    def change(self, **values: Any) -> None:
        """Other values for keys of the document; the keys that it has besides stay."""
        self._history.append({**self.document, **values})
        self._show_rows()
        self._later()

    @on(FieldBox.Edited)
    def _typed(self, event: FieldBox.Edited) -> None:
        event.stop()
        name = event.box.field
        if name == "trial":
            self._text = event.text
            self._later()
        elif name == "trimStrings":
            # Chinese keyboards have a comma of their own.
            parts = event.text.replace("，", ",").split(",")
            self.change(trimStrings=[part.strip() for part in parts if part.strip()])
        else:
            self.change(**{name: event.text})

    @on(Rows.Moved, "#script-rows")
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()

    @on(Rows.Chosen, "#script-rows")
    def _chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        script = read_script(self.document)
        if event.id.startswith("place "):
            place = int(event.id.removeprefix("place "))
            there = place in script.placement
            kept = [number for number in script.placement if number != place]
            self.change(placement=kept if there else sorted([*kept, place]))
        elif event.id == SUBSTITUTE:
            self.change(substituteRegex=(script.substitute + 1) % 3)
        elif event.id in DEPTHS:
            self._ask_depth(event.id)
        else:
            self.change(**{event.id: not self.document.get(event.id)})

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def _ask_depth(self, name: str) -> None:
        now = self.document.get(name)
        dialog = AskDialog[tuple[int | None]](
            t(f"script_edit.{name}.label"),
            value="" if now is None else str(now),
            hint=t("script_edit.depth_hint"),
            read=_depth,
            allowed=lambda fine: t("script_edit.depth_allowed", most=DEEPEST),
        )
        answer = await self.app.push_screen_wait(dialog)
        if answer is not None:
            self.change(**{name: answer[0]})

    # -- keeping and trying ------------------------------------------------------------------------

    def _later(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._paused)
        self._show_state()

    def _paused(self) -> None:
        self._pause = None
        self._keep()
        self._try_soon()

    @work(group="keep", exit_on_error=False)
    async def _keep(self) -> None:
        await self.keep_draft()

    async def keep_draft(self) -> None:
        """Store the script as it is; called when the program ends, too."""
        document = self.document
        if document is self._kept:
            return
        name = clean_line(str(document.get("scriptName") or self._item.name), 200)
        await self.runtime.library.scripts.save(self._item.id, name=name, document=document)
        # Not `self.document`: something may have been typed while this one was stored.
        self._kept = document
        self._show_state()

    @work(group="trial", exclusive=True, exit_on_error=False)
    async def _try_soon(self) -> None:
        """Run the script on the text in a thread, and show what came of it."""
        from lunalux_core.regex.substitution import run_scripts

        # A script that is switched off can be tried all the same.
        text, script = self._text, read_script({**self.document, "disabled": False})
        if not text.strip() or not script.find:
            self._tell(t("script_edit.nothing_to_try"), "", warns=False)
            return
        target: Target = "display" if script.markdown_only else "prompt" if script.prompt_only else "store"
        # Without any place it would never run; it is tried as if on a reply, and `_outcome` says so.
        place = script.placement[0] if script.placement else 2
        result = await asyncio.to_thread(
            run_scripts, [script], text, placement=place, target=target, engine=self.runtime.engine
        )
        self._tell(*_outcome(result, placed=bool(script.placement)))

    def _tell(self, words: str, text: str, *, warns: bool = False) -> None:
        self.verdict.words, self.verdict.warns = words, warns
        self.verdict.refresh()
        self.preview.show([(text, 0)])

    # -- actions -----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return len(self._history) > 1 if action == "undo" else True

    def action_undo(self) -> None:
        self._history.pop()
        self._show()
        self._later()

    def action_try_text(self) -> None:
        self._box("trial").target.focus()

    async def action_leave(self) -> None:
        await self.keep_draft()
        self.dismiss(None)


def _switch(on: bool) -> str:
    return t("create.entry.on" if on else "create.entry.off")


def _depth(text: str) -> tuple[int | None] | None:
    """A depth that was typed; nothing is no limit, None for what is no depth."""
    if not text.strip():
        return (None,)
    return (int(text),) if text.strip().isdecimal() and int(text) <= DEEPEST else None


def _outcome(result: ScriptResult, *, placed: bool) -> tuple[str, str]:
    """What to say about a trial, and the text that came of it."""
    for skipped in result.skipped:
        detail = clean_line(note(skipped.detail), 200)
        key = skipped.reason if placed or skipped.failed else "placement"
        return t(f"script_edit.skipped.{key}", detail=detail), result.text
    return t("script_edit.changed" if result.applied else "script_edit.not_found"), result.text
