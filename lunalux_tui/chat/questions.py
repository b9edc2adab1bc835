"""Questions above the prompt, for which nothing waits: whether the scripts of a card may run, whether a model
that costs may write memories, whether the data of SillyTavern is to be brought along.

They are answered with the same two keys, so one stands there at a time. The others follow in the order in
which they were asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_tui.parts.drawn import Bar, Column, Part, button
from lunalux_tui.parts.removal import removal

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from lunalux_tui.parts.screen import Work


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answers.

    `subject` is the id of its bar; there is one question for each. `words` are asked for whenever the bar is
    drawn, so they follow the language. `answers` are ids of actions, and what a click on them runs.
    """

    subject: str
    words: Callable[[], Sequence[Part]]
    answers: Sequence[tuple[str, str]]


class _Words(Bar):
    """What is asked."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def left(self) -> Sequence[Part]:
        return self._question.words()


class _Answers(Bar):
    """What can be answered."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def left(self) -> Sequence[Part]:
        return [button(self, action_id, action) for action_id, action in self._question.answers]


class QuestionBar(Column):
    """Two lines: the question and its answers."""

    DEFAULT_CSS = "QuestionBar { height: 2; }"

    def __init__(self, question: Question) -> None:
        super().__init__(id=question.subject)
        self.question = question

    def compose(self) -> ComposeResult:
        yield _Words(self.question)
        yield _Answers(self.question)


class Questions:
    """Those that were asked and not answered.

    Args:
        pane: what holds the prompt.
        run: starts work in the background; new work takes the place of old.
        changed: told when another question, or none, stands there.
    """

    def __init__(self, pane: Widget, run: Callable[[Work], object], changed: Callable[[], None]) -> None:
        self._pane, self._run, self._changed = pane, run, changed
        self._asked: dict[str, Question] = {}
        self.standing = ""
        """The subject of the question that can be answered, "" where there is none."""

    def ask(self, question: Question) -> None:
        """Ask, in place of an older question on the same subject."""
        self._asked[question.subject] = question
        self._run(self._show)

    def withdraw(self, subject: str) -> None:
        """Ask no longer: it was answered, or there is nothing to ask about."""
        if self._asked.pop(subject, None) is not None:
            # At once: a key that is pressed before the bar is gone must answer nothing.
            self.standing = ""
            self._run(self._show)

    async def _show(self) -> None:
        """Show the first one. Interrupted anywhere, the next call does what is left."""
        first = next(iter(self._asked.values()), None)
        for bar in self._pane.query(QuestionBar):
            if bar.question is not first:
                await removal(bar.remove())
        self.standing = first.subject if first is not None else ""
        if first is not None and not self._pane.query(QuestionBar):
            await self._pane.mount(QuestionBar(first), before="#prompt")
        self._changed()
