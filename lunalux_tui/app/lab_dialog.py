"""The laboratory on screen: its runs, and what came of one, every variant beside the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult

from lunalux_core.dialogue.turn_record_diff import compare_texts
from lunalux_core.text import clean_line
from lunalux_tui import i18n
from lunalux_tui.i18n import note, t
from lunalux_tui.parts.amounts import money
from lunalux_tui.parts.dialog import Dialog
from lunalux_tui.parts.drawn import SideBySide
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.render.message import moment
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, STRIKE, SURFACE, WARNING, Run

if TYPE_CHECKING:
    from lunalux_core.library.lab import LabRun
    from lunalux_core.runtime import Runtime

StoredResult = Mapping[str, Any]
_STYLES = {"same": 0, "gone": ERROR | STRIKE, "new": ACCENT | BOLD}
_MARKS = {"same": ("", ""), "gone": ("[-", "-]"), "new": ("{+", "+}")}


class LabRunsDialog(PickDialog):
    """Answers the id of a run."""

    TWO_LINES = True
    EMPTY = "lab.empty"

    def __init__(self, runs: Sequence[LabRun]) -> None:
        rows = [
            Row(run.id, run.name, run.path, f"{run.done}/{len(run.cells)} · {moment(run.updated_at)}")
            for run in runs
        ]
        super().__init__(t("lab.title"), rows, hint=t("lab.hint"))


class LabDialog(Dialog[None]):
    """Every reply of a run in rows; beside them its words against those of the first variant, what it took,
    and what its prompt had otherwise."""

    CSS_PATH = ["../parts/dialog.tcss", "lab_dialog.tcss"]  # type: ignore[assignment]  # noqa: RUF012
    SIZE = "-full"

    def __init__(self, runtime: Runtime, run: LabRun) -> None:
        super().__init__(run.name)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]
        self._runtime = runtime
        self._run = run
        self._results: dict[str, StoredResult] = {}

    def compose_body(self) -> ComposeResult:
        with SideBySide(id="lab"):
            yield Rows(two_lines=True, ground=SURFACE, id="lab-rows")
            yield Reader(id="lab-text")

    @property
    def rows(self) -> Rows:
        return self.query_one("#lab-rows", Rows)

    def on_mount(self) -> None:
        self.rows.empty = t("inspector.reading")
        self.rows.focus()
        self._read()

    @work(group="lab", exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        from lunalux_core.lab.comparison import compared_turn

        rows: list[Row] = []
        for turn in dict.fromkeys(cell.turn for cell in self._run.cells):
            compared = await compared_turn(self._runtime.library.lab, self._run, turn)
            for result in compared["results"]:
                place = str(len(rows))
                self._results[place] = result
                rows.append(Row(place, _variant(result), turn, _took(result), _mark(result)))
        self.rows.empty = t("dialog.nothing")
        self.rows.set_rows(rows, at="0")
        self._show()

    @on(Rows.Moved, "#lab-rows")
    def _show(self) -> None:
        result = self._results.get(self.rows.chosen)
        self.query_one(Reader).show(list(_told(result)) if result else (), joined=True)

    @on(Rows.Chosen, "#lab-rows")
    def _enter(self, event: Rows.Chosen) -> None:
        event.stop()
        self.query_one(Reader).focus()


async def show_lab(runtime: Runtime, ask: Any) -> None:
    """Let the person choose a run, and show it; `ask` pushes a dialog and gives its answer."""
    while True:
        runs = await runtime.library.lab.list()
        chosen = await ask(LabRunsDialog(runs))
        run = next((run for run in runs if run.id == chosen), None)
        if run is None:
            return
        await ask(LabDialog(runtime, run))


def _variant(result: StoredResult) -> str:
    name = str(result["variant"])
    return name if result["repeat"] == 1 else f"{name} {result['repeat']}"


def _mark(result: StoredResult) -> str:
    """Whether its checks hold; nothing where there are none."""
    checks = result["checks"]
    return "" if not checks else "✓" if all(check["passed"] for check in checks) else "✗"


def _took(result: StoredResult) -> str:
    usage = result["usage"] or {}
    parts = [t("lab.tokens", n=usage.get("completion_tokens", 0)), f"{result['seconds']} s", _price(result)]
    return " · ".join(part for part in parts if part)


def _price(result: StoredResult) -> str:
    billing, cost = result["billing"], result["cost"]
    if billing and billing["method"] in ("star", "luna"):
        return t(f"status.cost.{billing['method']}", cost=billing["cost"])
    return money(cost) if cost else ""


def _told(result: StoredResult) -> Iterator[Run]:
    """What the reader shows of a result, as pieces of one text."""
    for check in result["checks"]:
        if not check["passed"]:
            text = f"✗ {check['name'] or check['check']}: {note(str(check['reason']))}\n"
            yield text, WARNING
    difference = result["difference"]
    if difference is None:
        yield f"{t('lab.first')}\n\n", MUTED
        yield str(result["content"]), 0
        return
    yield f"{t('lab.words', n=difference['words'])}\n\n", MUTED
    for piece in difference["pieces"]:
        before, after = _MARKS[piece["mark"]]
        yield f"{before}{piece['text']}{after}", _STYLES[piece["mark"]]
    yield f"\n\n{t('lab.prompt')}\n", ACCENT | BOLD
    yield from _prompt(difference["prompt"])


def _prompt(prompt: Mapping[str, Any]) -> Iterator[Run]:
    if prompt["cause"] == "same" and not prompt["parameters"]:
        yield t("lab.same_prompt"), MUTED
        return
    for parameter in prompt["parameters"]:
        before, now = ("-" if value is None else value for value in (parameter["before"], parameter["now"]))
        yield f"{parameter['name']}: {before} → {now}\n", 0
    for entry in prompt["entries"]:
        sign, style = ("+", ACCENT) if entry["mark"] == "new" else ("−", ERROR)
        yield f"{sign} {entry['name']} ({entry['book']})\n", style
    for part in prompt["messages"]:
        tokens = f"{part['tokens_before']:,} → {part['tokens']:,}"
        yield f"\n{_slot(part)}: {t('lab.part_tokens', tokens=tokens)}\n", BOLD
        for mark, line in compare_texts(part["before"], part["now"]):
            if mark != "same" and line.strip():
                yield f"{'−' if mark == 'gone' else '+'} {line}\n", _STYLES.get(mark, 0)


def _slot(part: Mapping[str, Any]) -> str:
    if part["names"]:
        return clean_line(" + ".join(part["names"]), 80)
    keys = [f"inspector.slot.{slot}" for slot in str(part["slot"]).split("+")]
    return " + ".join(t(key) if i18n.has(key) else key.rpartition(".")[2] for key in keys)
