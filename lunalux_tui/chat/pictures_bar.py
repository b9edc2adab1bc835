"""The pictures that go with the next message: one line above the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part, button
from lunalux_tui.render.message import picture_words
from lunalux_tui.theme.styles import ACCENT, MUTED

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef


class PicturesBar(Bar):
    """What waits; a click on a name takes it off."""

    def __init__(self, pictures: Sequence[PictureRef]) -> None:
        super().__init__(id="pictures-bar")
        self._pictures = tuple(pictures)

    def left(self) -> Sequence[Part]:
        names = [
            Part(f"▣ {clean_line(picture.name, 40)}", ACCENT, f"screen.detach('{picture.hash}')", place + 2)
            for place, picture in enumerate(self._pictures)
        ]
        if len(names) == 1:
            return [Part(picture_words(self._pictures[0]), ACCENT)]
        return [Part(t("chat.pictures", n=len(names)), MUTED, weight=1), *names]

    def right(self) -> Sequence[Part]:
        return [button(self, "chat.detach", "screen.detach")]
