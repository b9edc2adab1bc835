"""What plug-ins bring to the app: their commands in the palette, their panes beside the conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual import work

from lunalux_core.errors import LunaluxError
from lunalux_core.plugins.api import Command, Line, Panel, Scene
from lunalux_core.text import clean, clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.text_view import TextView
from lunalux_tui.render.layout import lay_out
from lunalux_tui.theme.styles import BOLD, HEADING, SURFACE
from lunalux_tui.theme.styles import Line as StyledLine

if TYPE_CHECKING:
    from lunalux_tui.chat.chat_host import ChatHost
    from lunalux_tui.chat.screen import ChatScreen

SHOWN_LINES = 20
"""How many messages a plug-in is shown of a conversation."""


def scene(chat: ChatScreen) -> Scene:
    """What is on the chat screen."""
    conversation = chat.conversation
    return Scene(
        chat.character.id if chat.character else "",
        chat.character_name,
        conversation.id if conversation else "",
        tuple(Line(m.role, m.name, m.content) for m in chat.transcript.messages[-SHOWN_LINES:]),
        chat.prompt.text,
    )


def palette_commands(app: ChatHost) -> Iterator[tuple[str, Command]]:
    """The commands of the plug-ins that run, each with the name of its plug-in."""
    if app.runtime.settings.plugins:
        yield from app.runtime.plugins.commands()


def start_command(app: ChatHost, plugin: str, command: Command) -> None:
    """Run a command of a plug-in; what it says is a notice, what it writes goes into the prompt."""
    app.run_worker(_run(app, plugin, command), group="plugin-command", exit_on_error=False)


async def _run(app: ChatHost, plugin: str, command: Command) -> None:
    try:
        outcome = await app.runtime.plugins.run(plugin, command, scene(app.chat))
    except LunaluxError as error:
        app.tell(error)
        return
    if outcome.typed is not None:
        app.chat.prompt.fill(clean(outcome.typed))
    if outcome.notice:
        app.notify(clean(outcome.notice), title=clean_line(command.title, 60), markup=False)


class PluginPane(TextView):
    """The panes of all plug-ins, one above the other, asked again when the conversation changed."""

    def __init__(self, chat: ChatScreen) -> None:
        super().__init__(id="plugin-pane")
        self._chat = chat
        self._panels: Sequence[tuple[str, Panel]] = ()

    def on_mount(self) -> None:
        self.watch(self._chat, "busy", self._changed)
        self.watch(self._chat.header, "character", self._changed, init=False)
        self.watch(self._chat.header, "conversation", self._changed, init=False)

    def _changed(self) -> None:
        # A change while a reply comes: `busy` changes once more when it is complete.
        if not self._chat.busy:
            self.ask()

    @work(group="plugin-pane", exclusive=True, exit_on_error=False)
    async def ask(self) -> None:
        """Ask the plug-ins what they have to show."""
        app = self._chat.lunalux
        self._panels, failures = await app.runtime.plugins.panels(scene(self._chat))
        for failure in failures:
            app.tell(failure, severity="warning")
        self.lay_again()

    def lay(self, width: int) -> list[StyledLine]:
        lines: list[StyledLine] = []
        for plugin, panel in self._panels:
            heading = clean_line(panel.title, 80) or plugin
            lines += [((" " + heading, HEADING | BOLD | SURFACE),)]
            lines += [*lay_out(clean(panel.text), width, base=SURFACE).lines, ()]
        return lines or [((" " + t("plugins.no_pane"), SURFACE),)]
