"""The question whether a model that costs may write memories: above the prompt, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Column, Part, button
from lunalux_tui.theme.styles import BOLD, MUTED, WARNING

if TYPE_CHECKING:
    from textual.app import ComposeResult


class QuestionLine(Bar):
    """What is asked."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model = model

    def left(self) -> Sequence[Part]:
        question = t("memory.question", model=clean_line(self._model, 40))
        return [Part(question, WARNING | BOLD), Part(t("memory.question_more"), MUTED, weight=1)]


class AnswerLine(Bar):
    """What can be answered."""

    def left(self) -> Sequence[Part]:
        return [
            button(self, "chat.memory_agree", "screen.answer_memory(True)"),
            button(self, "chat.memory_refuse", "screen.answer_memory(False)"),
        ]


class MemoryQuestion(Column):
    """Two lines: the question and its answers."""

    DEFAULT_CSS = "MemoryQuestion { height: 2; }"

    def __init__(self, model: str) -> None:
        super().__init__(id="memory-question")
        self.model = model

    def compose(self) -> ComposeResult:
        yield QuestionLine(self.model)
        yield AnswerLine()
