"""What the story remembers: the pane, what covers a message, what is always in, and the one question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from lunalux_core.text import clean_line
from lunalux_tui.chat.memory.memory_jobs import MemoryJobs
from lunalux_tui.chat.protocols import Asker, Background
from lunalux_tui.chat.questions import Question
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Part
from lunalux_tui.theme.styles import BOLD, MUTED, WARNING

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.message_actions import MessageActions
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.questions import Questions

SUBJECT = "memory-question"


class MemoryView(Asker, Background, Protocol):
    """What these actions ask of the screen."""


class Browsed(Protocol):
    """The transcript, as where messages are browsed."""

    def focus(self) -> object:
        """Leave the prompt for the messages."""


class MemoryActions:
    """Actions on what is remembered of the conversation that is open."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        questions: Questions,
        messages: MessageActions,
        transcript: Browsed,
        view: MemoryView,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._questions = questions
        self._messages = messages
        self._transcript = transcript
        self._view = view
        self._asking = ""
        """The model that costs and is asked about, "" while there is no question."""

    @cached_property
    def jobs(self) -> MemoryJobs:
        """What writes for the person, also while the pane is closed."""
        return MemoryJobs(self._runtime, self._view)

    async def pane(self, tab: str = "memories") -> None:
        """All memories, trackers and documents."""
        await self._show(tab=tab)

    async def covering(self) -> None:
        """The memories that cover a message."""
        message = self._messages.target
        if message is None:
            return
        memories = self._runtime.library.memories
        ids = set(await memories.covering(message.id))
        here = (await memories.branch(message.conversation_id)).here
        # Memories of other branches cover it as well, and are no answer here.
        if any(memory.id in ids for memory in here):
            await self._show(covering=message.id)
        else:
            self._view.say(t("memory_pane.covered_by_none"))

    async def _show(self, *, covering: str = "", tab: str = "memories") -> None:
        from lunalux_tui.chat.memory.memory_dialog import MemoryDialog

        conversation = self._opener.chat.conversation
        if conversation is None:
            return
        dialog = MemoryDialog(self._runtime, conversation.id, self.jobs, covering=covering, tab=tab)
        message_id = await self._view.ask(dialog)
        if self._asking and not await self._runtime.memory_writer.waiting_for(conversation.id):
            self._asking = ""  # answered in the pane
            self._questions.withdraw(SUBJECT)
        if message_id:
            await self._opener.reveal(message_id)
            self._transcript.focus()

    async def keep_message(self) -> None:
        """Keep a message in every prompt word for word, or no longer."""
        from lunalux_core.memory.entries import mark_message

        message = self._messages.target
        if message is not None:
            kept = await self._runtime.library.database.write(lambda c: mark_message(c, message.id))
            self._view.say(t("memory_pane.always_in" if kept else "memory_pane.no_longer_in"))

    # -- the one question --------------------------------------------------------------------------

    def ask_about(self, model: str) -> None:
        """Ask whether a model that costs may write memories; nothing waits for the answer."""
        if not self._asking:
            self._asking = model
            self._questions.ask(Question(SUBJECT, partial(_words, model), _ANSWERS))

    async def answer(self, yes: bool) -> None:
        """Answer the question that is on screen; a yes lets what is due be written at once."""
        model, self._asking = self._asking, ""
        if not model:
            return
        self._questions.withdraw(SUBJECT)
        await self._runtime.memory_writer.agree(model, yes)
        conversation = self._opener.chat.conversation
        if yes and conversation is not None:
            self._runtime.memory_writer.nudge(conversation.id)
            self._runtime.trackers.nudge(conversation.id)
        self._view.say(t("memory.agreed" if yes else "memory.refused", model=model))


_ANSWERS = (
    ("chat.memory_agree", "screen.answer_memory(True)"),
    ("chat.memory_refuse", "screen.answer_memory(False)"),
)


def _words(model: str) -> Sequence[Part]:
    question = t("memory.question", model=clean_line(model, 40))
    return [Part(question, WARNING | BOLD), Part(t("memory.question_more"), MUTED, weight=1)]
