"""The test of a worldbook: a text is typed, and the entries that would fire on it are shown, with reasons."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from textual import getters, on
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from lunalux_core.text import clean, clean_line
from lunalux_tui.i18n import has, t
from lunalux_tui.parts.drawn import Bar, Column, Part, SideBySide
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.worldbook.engine import Activation
    from lunalux_core.worldbook.engine.engine_results import Activated
    from lunalux_tui.create.sections.editor_host import EditorHost

PAUSE = 0.15
FIRES, STAYS = "●", "○"


class TrialHead(Bar):
    """How many fire."""

    summary = ""

    def left(self) -> Sequence[Part]:
        return [Part(t("create.trial.title"), ACCENT | BOLD), Part(self.summary, MUTED)]


class TrialWhy(Bar):
    """Why the entry under the cursor fires, or why it does not."""

    told = ""

    def left(self) -> Sequence[Part]:
        return [Part(self.told)] if self.told else []


class Trial(Column):
    """A text, and what the book makes of it.

    The scan runs in a thread, one at a time, the newest text last; typing never waits for it.
    """

    head = getters.query_one(TrialHead)
    rows = getters.query_one("#trial-rows", Rows)

    class Done(Message):
        """A scan is through."""

    def __init__(self) -> None:
        super().__init__(id="trial")
        self.text = ""
        self.outcome: Activation | None = None
        self._pause: Timer | None = None
        self._scanning = False
        self._again = False

    def compose(self) -> ComposeResult:
        yield TrialHead()
        with SideBySide(id="trial-body"):
            yield FieldBox("trial", "create.trial", "text", id="trial-box")
            yield Rows(ground=0, id="trial-rows")
        yield TrialWhy()

    def on_mount(self) -> None:
        self.rows.empty = t("create.trial.empty")

    def retranslate(self) -> None:
        self.rows.empty = t("create.trial.empty")
        self.show()

    @on(FieldBox.Edited)
    def _typed(self, event: FieldBox.Edited) -> None:
        event.stop()
        self.text = event.text
        self.later()

    def later(self) -> None:
        """Try again when typing pauses."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._begin)

    def _begin(self) -> None:
        if self._scanning:
            self._again = True
        else:
            self._scanning = True
            self.run_worker(self._scan(), group="trial", exit_on_error=False)

    async def _scan(self) -> None:
        from lunalux_core.editor.worldbook_test import try_book

        host = cast("EditorHost", self.screen)
        try:
            while True:
                self._again = False
                document, text = host.draft.document, self.text
                runtime = host.runtime
                if text.strip():
                    self.outcome = await asyncio.to_thread(
                        try_book, document, text, runtime.settings, runtime.engine
                    )
                else:
                    self.outcome = None
                if not self._again:
                    break
        finally:
            self._scanning = False
        self.show()
        self.post_message(self.Done())

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            cast("EditorHost", self.screen).show_failure(event.worker.error)

    # -- what came of it ---------------------------------------------------------------------------

    @property
    def firing(self) -> frozenset[str]:
        """The ids of the entries that fire."""
        return frozenset(str(entry.uid) for entry in self.outcome.activated) if self.outcome else frozenset()

    def why(self, uid: int | str) -> str:
        """One sentence about an entry; "" while nothing is tested."""
        if self.outcome is None:
            return ""
        for entry in self.outcome.activated:
            if str(entry.uid) == str(uid):
                return t("create.trial.fires", reason=reason_of(entry))
        for other in self.outcome.skipped:
            if str(other.uid) == str(uid):
                return t("create.trial.stays", reason=skip_reason(other.reason))
        return t("create.trial.stays", reason=skip_reason("hidden"))

    def tell(self, name: str, uid: int | str) -> None:
        """Say why this entry fires or does not."""
        why = self.why(uid)
        line = self.query_one(TrialWhy)
        line.told = f"{name} · {why}" if why else ""
        line.refresh()

    def show(self) -> None:
        """Show the outcome as rows: what fires in the order of its texts, then what came near."""
        rows = []
        if (outcome := self.outcome) is not None:
            for entry in outcome.activated:
                title = clean_line(entry.comment or entry.key or str(entry.uid), 120)
                rows.append(
                    Row(f"on {entry.uid}", title, right=reason_of(entry, short=True), mark=FIRES, strong=True)
                )
            for other in outcome.skipped:
                # Entries of which no key was found are most of a book, and none of them came near.
                if other.reason not in ("disabled", "no_keys", "no_key"):
                    title = clean_line(other.comment or str(other.uid), 120)
                    rows.append(Row(f"off {other.uid}", title, right=skip_reason(other.reason), mark=STAYS))
            count = len(outcome.activated) + len(outcome.skipped)
            self.head.summary = t(
                "create.trial.summary", n=len(outcome.activated), count=count, tokens=f"{outcome.tokens:,}"
            )
        else:
            self.head.summary = ""
        self.rows.empty = t("create.trial.none") if self.text.strip() else t("create.trial.empty")
        self.rows.set_rows(rows)
        self.head.refresh()


def reason_of(entry: Activated, *, short: bool = False) -> str:
    """Why an entry fires; `short` for a row."""
    key = clean_line(clean(entry.key), 40)
    if entry.reason == "key" and entry.message is None and entry.pass_number > 1:
        words = "create.trial.reason.recursion_row" if short else "create.trial.reason.recursion"
        return t(words, word=key, n=entry.pass_number)
    return t(f"create.trial.reason.{entry.reason}", word=key, n=entry.pass_number)


def skip_reason(reason: str) -> str:
    """Why an entry stays away."""
    key = f"create.trial.skip.{reason}"
    return t(key) if has(key) else reason
