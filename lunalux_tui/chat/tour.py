"""The first-run tour: one tip at a time above the prompt; doing what it says leads to the next.

Nothing waits for it: it never takes the focus, and whoever knows the way can end it or ignore it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import work
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import fit, palette_of
from lunalux_tui.parts.removal import removal
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE, Line

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_tui.chat.chat_host import ChatHost
    from lunalux_tui.chat.screen import ChatScreen

STATE = "tour.step"
"""Key of the program's memory: the number of the tip that is next, or -1 when the tour is over."""

STEPS = ("talk", "browse", "characters", "market", "models", "palette")
"""Each is a tip, `tour.<step>` in the catalogue."""
MOST_LINES = 3
HIGH_ENOUGH = 14
"""Lines of a terminal from which on a tip may take that many; else one less."""


class TourBar(Widget):
    """The current tip. A click leads to the next one."""

    ALLOW_SELECT = False

    DEFAULT_CSS = f"TourBar {{ height: auto; max-height: {MOST_LINES}; }}"

    def __init__(self, chat: ChatScreen, step: int) -> None:
        super().__init__(id="tour")
        self._chat = chat
        self._step = step
        self._taken_steps: set[str] = set()
        self._lines: Sequence[Line] = ()

    @property
    def step(self) -> str:
        """The tip that is shown."""
        return STEPS[self._step]

    def on_mount(self) -> None:
        self._chat.turn_over.subscribe(self, self._turn)
        self.watch(self._chat.status, "browsing", self._browsing, init=False)
        self.watch(self._chat.header, "character", self._character, init=False)
        self.app.mode_change_signal.subscribe(self, self._mode)
        self.app.screen_change_signal.subscribe(self, self._screen)

    # -- what the person does ----------------------------------------------------------------------

    def _turn(self, _: None) -> None:
        self._chat.turn_over.unsubscribe(self)  # one is enough
        self.done("talk")

    def _browsing(self, browsing: bool) -> None:
        if not browsing:
            self.done("browse")
        self._again()

    def _character(self) -> None:
        self.done("characters")
        self._again()

    def _mode(self, mode: str) -> None:
        self.done(mode)

    def _screen(self, screen: Screen[object]) -> None:
        name = type(screen).__name__
        # By name: the classes would have to be imported for this alone.
        if name == "ModelsDialog":
            self.done("models")
        elif name == "Palette":
            self.done("palette")

    def done(self, step: str) -> None:
        """Go on if this is what the tip asked for; a tip that comes later is left out then."""
        self._taken_steps.add(step)
        if self._step < len(STEPS) and self.step == step:
            self.next()

    @work(group="tour", exclusive=True, exit_on_error=False)
    async def next(self) -> None:
        """The next tip, or the end."""
        self._step += 1
        while self._step < len(STEPS) and self.step in self._taken_steps:
            self._step += 1
        over = self._step >= len(STEPS)
        await self._chat.runtime.library.state.set(STATE, -1 if over else self._step)
        if over:
            self.app.notify(t("tour.over"), markup=False)
            self.remove()  # not awaited: it waits for this very worker
        else:
            self._again()

    async def on_click(self) -> None:
        self.next()

    # -- drawing -----------------------------------------------------------------------------------

    def retranslate(self) -> None:
        self._again()

    def _again(self) -> None:
        if self._step < len(STEPS):
            self.refresh(layout=True)

    def _lay(self, width: int) -> Sequence[Line]:
        if self._step >= len(STEPS):
            return ()
        name = clean_line(self._chat.character_name, 40) or "Lunalux"
        number = t("tour.number", n=self._step + 1, of=len(STEPS))
        head = [(f" {number} ", ACCENT | BOLD | SURFACE)]
        tip = self.step
        if tip == "talk" and not stays_here(self._chat.runtime.settings):
            tip = "talk_away"
        model = self._chat.runtime.settings.model
        words = t(f"tour.{tip}", name=name, model=clean_line(model, 40))
        keys = "  " + t("tour.keys")
        room = max(width - 1, 20)
        most = MOST_LINES if self.app.size.height >= HIGH_ENOUGH else MOST_LINES - 1
        lines = [*wrap([(words, SURFACE)], room, head, [(" ", SURFACE)])]
        if len(lines) < most and sum(cell_len(text) for text, _ in lines[-1]) + cell_len(keys) > room:
            lines.append((("", SURFACE),))
        # The end of a long tip gives way: the keys are always in view, each beside its word.
        *above, (*runs, (text, style)) = lines[:most]
        text += " …" if len(lines) > most else ""
        left = room - sum(cell_len(part) for part, _ in runs) - cell_len(keys)
        return [*above, (*runs, (fit(text, left), style), (keys, MUTED | SURFACE))]

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._lay(width))

    def render_line(self, y: int) -> Strip:
        if y == 0:
            self._lines = self._lay(self.size.width)
        runs = self._lines[y] if y < len(self._lines) else ()
        used = sum(cell_len(text) for text, _ in runs)
        return palette_of(self).strip(
            (*runs, (" " * max(self.size.width - used, 0), SURFACE)), self.size.width
        )


def stays_here(settings: Settings) -> bool:
    """Whether it is certain that what is written does not leave this computer."""
    from urllib.parse import urlsplit

    from lunalux_core.llm.servers.local import LOCAL_SERVERS

    saved = settings.models.get(settings.model)
    if saved is not None:
        try:
            host = urlsplit(saved.base_url).hostname or ""
        except ValueError:
            return False
        return saved.provider == "openai" and (host in {"localhost", "::1"} or host.startswith("127."))
    return settings.model == "practice" or settings.model.partition(":")[0] in LOCAL_SERVERS


async def show_tour(app: ChatHost, *, new: bool) -> None:
    """Show the tour where a new library begins, or go on with it where it was left."""
    state = app.runtime.library.state
    step = await state.get(STATE, 0 if new else -1)
    if isinstance(step, int) and 0 <= step < len(STEPS):
        await begin_tour(app, step)


async def begin_tour(app: ChatHost, step: int = 0) -> None:
    """Show a tip of the tour, by default the first."""
    await app.runtime.library.state.set(STATE, step)
    await removal(app.chat.query(TourBar).remove())
    await app.chat.query_one("#main").mount(TourBar(app.chat, step), before="#prompt")


async def end_tour(app: ChatHost) -> None:
    """End the tour for good, until it is asked for again."""
    await app.runtime.library.state.set(STATE, -1)
    await removal(app.chat.query(TourBar).remove())
