"""The laboratory on screen: its runs, and the replies of one beside each other."""

from __future__ import annotations

from pathlib import Path

from chat_world import Driven, open_app

from lunalux_core.lab.experiment_file import read_experiment
from lunalux_core.lab.runs import Laboratory
from lunalux_tui.app.lab_dialog import LabDialog, LabRunsDialog
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Rows
from lunalux_tui.theme.styles import ERROR, STRIKE

LAB = """
name = "Voices"
[[turns]]
name = "evening"
character = "Marigold"
say = "Good evening"
[[variants]]
name = "now"
[[variants]]
name = "whisper"
set = {temperature = 0.3}
instruction = "Whisper."
[[checks]]
contains = "submarine"
"""


async def opened_dialog(driven: Driven, kind: type) -> None:
    """Wait until it is there with its list, and keys reach it."""
    await driven.until(
        lambda: isinstance(driven.app.screen, kind) and driven.app.screen.query(Rows) and driven.app.focused
    )


async def test_runs_are_listed_and_one_is_read_beside_its_first_variant(tmp_path: Path) -> None:
    file = tmp_path / "voices.toml"
    file.write_text(LAB, "utf-8")
    async with open_app() as driven:
        app = driven.app
        app.run_worker(app.run_action("lab"))
        await opened_dialog(driven, LabRunsDialog)
        assert isinstance(app.screen, LabRunsDialog) and not app.screen.rows.rows
        await driven.press("escape")
        laboratory = Laboratory(app.runtime, read_experiment(file))
        planned = await laboratory.plan()
        run = await laboratory.begin(planned, fresh=False)
        await laboratory.run(run, planned, 1, lambda result: None)

        app.run_worker(app.run_action("lab"))
        await opened_dialog(driven, LabRunsDialog)
        await driven.press("enter")
        await opened_dialog(driven, LabDialog)
        dialog = app.screen
        assert isinstance(dialog, LabDialog)
        await driven.until(lambda: len(dialog.rows.rows) == 2)
        assert [(row.title, row.detail, row.mark) for row in dialog.rows.rows] == [
            ("now", "evening", "✗"),
            ("whisper", "evening", "✗"),
        ]
        await driven.press("down")
        runs = list(dialog.query_one(Reader)._runs)
        text = "".join(piece for piece, _ in runs)
        assert "temperature: 1.0 → 0.3" in text and "+ Whisper." in text and "“submarine”" in text
        assert any(style == ERROR | STRIKE for _, style in runs)
        # Back to the runs, then to the chat.
        await driven.press("escape")
        await opened_dialog(driven, LabRunsDialog)
        await driven.press("escape")
        await driven.until(lambda: app.screen is app.chat)
