"""Choosing a picture: its path, and what it looks like."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Center
from textual.timer import Timer
from textual.widgets import Input, Static

from lunalux_core.text import clean
from lunalux_tui.i18n import t
from lunalux_tui.parts.files import split_paths
from lunalux_tui.parts.path_dialog import PathDialog
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.told import Told

PAUSE = 0.2


class PictureDialog(PathDialog):
    """Asks for the path of a picture and shows it; answers the path, or None."""

    def __init__(self) -> None:
        super().__init__(
            t("create.picture.title"), hint=t("create.picture.hint"), placeholder="~/pictures/portrait.png"
        )
        self._pause: Timer | None = None

    def compose_body(self) -> ComposeResult:
        yield from super().compose_body()
        with Center():
            yield Picture(id="picture-preview")
        yield Told(id="verdict")

    @property
    def path(self) -> Path | None:
        """The file that is named, if there is one."""
        try:
            paths = split_paths(self.query_one("#answer", Input).value)
            path = Path(paths[0]).expanduser() if paths else None
            return path if path is not None and path.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

    @on(Input.Changed, "#answer")
    def _named(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._show_picture)

    def _show_picture(self) -> None:
        path = self.path
        self.query_one(Picture).source = path
        if path is None:
            self._say(t("create.picture.no_file") if self.query_one("#answer", Input).value.strip() else "")

    @on(Picture.Drawn)
    def _drawn(self, event: Picture.Drawn) -> None:
        path = self.path
        self._say(t("create.picture.unseen") if not event.ok else clean(path.name) if path else "")

    def _say(self, text: str) -> None:
        self.query_one("#verdict", Static).update(text)

    @on(Input.Submitted)
    def _chosen(self, event: Input.Submitted) -> None:
        # Not the answer of a plain path: only a file that is there is taken.
        event.prevent_default()
        event.stop()
        path = self.path
        if path is not None:
            self.dismiss(str(path))
        else:
            self._say(t("create.picture.no_file"))
