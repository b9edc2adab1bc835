"""The question whether the scripts of a card may run: above the prompt, and nothing waits for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.drawn import Bar, Column, Part, button
from lunalux_tui.theme.styles import BOLD, MUTED, WARNING

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from lunalux_core.chat.card_scripts import CardScripts

NAMES = 6
"""Names of scripts in the question; the dialog has them all."""


class QuestionLine(Bar):
    """What the card brings."""

    def __init__(self, scripts: CardScripts) -> None:
        super().__init__()
        self._found = scripts

    def left(self) -> Sequence[Part]:
        scripts = self._found
        question = t("scripts.asks", name=clean_line(scripts.name, 40), n=len(scripts.scripts))
        names = in_a_list(clean_line(name, 40) for name in scripts.names[:NAMES])
        if len(scripts.names) > NAMES:
            names += " …"
        return [Part(f"⚠ {question}", WARNING | BOLD), Part(names, MUTED)]


class AnswerLine(Bar):
    """What can be answered."""

    def left(self) -> Sequence[Part]:
        return [
            button(self, "chat.scripts_allow", "screen.answer_scripts(True)"),
            button(self, "chat.scripts_refuse", "screen.answer_scripts(False)"),
            button(self, "chat.scripts", "screen.scripts"),
        ]


class ScriptsBar(Column):
    """Two lines: the question and its answers."""

    DEFAULT_CSS = "ScriptsBar { height: 2; }"

    def __init__(self, scripts: CardScripts) -> None:
        super().__init__(id="scripts-question")
        self.found = scripts

    def compose(self) -> ComposeResult:
        yield QuestionLine(self.found)
        yield AnswerLine()
