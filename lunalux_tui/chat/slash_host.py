"""The chat screen as a script sees it: where it shows, asks, writes and streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lunalux_core.chat.scripts.conversation_host import OFFERS
from lunalux_tui.chat.protocols import Asker, Shown
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn import TurnEvent, TurnOptions
    from lunalux_core.errors import LunaluxError
    from lunalux_core.library.personas import Persona
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import PromptText
    from lunalux_tui.chat.reply_bar import ReplyButton
    from lunalux_tui.parts.host import Host

__all__ = ["OFFERS", "ScreenSurface", "ScriptParts"]


class ScriptTurns(Protocol):
    """Runs turns and scripts, one at a time (`turn_runner.TurnRunner`)."""

    @property
    def busy(self) -> bool:
        """Whether a reply is coming, or a script runs."""

    async def run_to_end(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        """Run a turn to its end. Raises CancelledError when the person stops it."""

    def run_as_script(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something in the place of a script; there is never more than one."""


class ScriptSurroundings(Shown, Protocol):
    """What is shown beside the messages."""

    async def follow_script(self) -> None:
        """Profiles, presets, worldbooks or sets of quick replies are others now."""


class ScriptView(Asker, Protocol):
    """What scripts and quick replies ask of the screen."""

    def notice(self, words: str, title: str, *, warn: bool = False) -> None:
        """A notice that takes nothing out of the status line."""

    def show_error(self, error: LunaluxError) -> None:
        """Write a failure into the transcript."""

    def perform(self, action: str, *arguments: object) -> None:
        """Do an action of the screen."""

    async def show_reply_buttons(self, buttons: Sequence[ReplyButton]) -> None:
        """Show these above the prompt; none takes the bar away."""


@dataclass(frozen=True, slots=True)
class ScriptParts:
    """The parts of the chat screen that a script acts on."""

    prompt: PromptText
    turns: ScriptTurns
    shown: ScriptSurroundings
    host: Host
    view: ScriptView


class ScreenSurface:
    """The screen, for one script (`chat.scripts.surface.Surface`), which may stand in the prompt."""

    asks = True
    panes = ("memory",)

    def __init__(self, runtime: Runtime, opener: Opener, parts: ScriptParts, script: str) -> None:
        self._runtime = runtime
        self._opener = opener
        self._parts = parts
        self._view = parts.view
        self._script = script
        self._echoed = False

    def open_pane(self, name: str) -> None:
        self._view.perform("memory")

    def options(self) -> TurnOptions:
        return self._opener.chat.turn_options()

    def words(self, key: str, **values: object) -> str:
        return t(f"slash.{key}", **values)

    def command_help(self, key: str) -> str:
        return t(key)

    def told(self, error: LunaluxError) -> str:
        return tell(error)[0]

    async def echo(self, text: str, severity: str, title: str) -> None:
        warn = severity in {"warning", "error"}
        # The status line holds one text: a second one would take the first away unread.
        if self._echoed or title:
            self._view.notice(text, title or t("slash.popup"), warn=warn)
        else:
            self._view.say(text, warn=warn)
        self._echoed = True

    async def ask_text(self, question: str, default: str) -> str:
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        draft = self._runtime.library.drafts.of(f"asked:{question[:200]}", default)
        answer = await ask_kept(self._view.ask, AskDialog(question, value=default), draft)
        if answer is not None:
            await draft.forget()
        return answer or ""

    async def show_text(self, text: str) -> None:
        from lunalux_tui.parts.read_dialog import ReadDialog

        await self._view.ask(ReadDialog(t("slash.popup"), text))

    async def choose(self, question: str, labels: Sequence[str]) -> str:
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        # By number, because labels may be alike.
        rows = [Row(str(place), label) for place, label in enumerate(labels)]
        chosen = await self._view.ask(PickDialog(question, rows))
        return labels[int(chosen)] if chosen else ""

    async def put_typed(self, text: str) -> None:
        self._parts.prompt.rewrite(text)

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        await self._parts.turns.run_to_end(events, impersonate=impersonate)

    async def open_chat(self, conversation_id: str) -> None:
        # A script is no draft of the chat that is left.
        self._parts.prompt.take(self._script)
        await self._opener.go_on_with(conversation_id)

    async def messages_changed(self, *, to_end: bool = False) -> None:
        await self._opener.reload(keep_place=not to_end)

    async def surroundings_changed(self) -> None:
        await self._opener.reload()
        conversation = self._opener.chat.conversation
        if conversation is not None:
            persona = await self._persona(conversation.persona_id)
            self._parts.shown.show_persona(persona.name if persona else self._runtime.settings.user_name)
        await self._parts.shown.follow_script()

    async def _persona(self, persona_id: str | None) -> Persona | None:
        from lunalux_core.library.personas import load_persona

        def read(connection: Connection) -> Persona | None:
            return load_persona(connection, persona_id)

        return await self._runtime.library.database.read(read)

    async def use_model(self, name: str) -> None:
        self._parts.host.change_setting("chat.model", name)

    async def use_preset(self, key: str) -> None:
        self._parts.host.change_setting("chat.preset", key)
