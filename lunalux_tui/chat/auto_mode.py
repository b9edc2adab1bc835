"""A group that goes on by itself: after each reply the next member speaks, until the person stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_tui.chat.protocols import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.group_actions import GroupActions
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import PromptText, TurnStarter


class AutoView(Asker, Protocol):
    """What it needs of the screen."""

    def show_countdown(self, seconds: int | None) -> None:
        """Say in how many seconds the next one speaks; None takes it away."""

    def set_interval(self, interval: float, callback: Callable[[], None]) -> Timer:
        """Do something again and again."""


class AutoMode:
    """Counts down between two replies of the group that is open."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        groups: GroupActions,
        prompt: PromptText,
        turns: TurnStarter,
        view: AutoView,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._groups = groups
        self._prompt = prompt
        self._turns = turns
        self._view = view
        self._left = 0
        self._conversation = ""
        self._timer: Timer | None = None

    @property
    def waiting(self) -> bool:
        """Whether it counts down."""
        return self._timer is not None

    def follow(self) -> None:
        """A turn ended, or another group is open: count down where it goes on by itself."""
        self._end()
        chat = self._opener.chat
        if chat.group is None or chat.conversation is None or not chat.group.auto_mode:
            return
        # Nobody would ever speak, however long it counted.
        if all(member.muted for member in chat.group.members):
            return
        self._conversation, self._left = chat.conversation.id, chat.group.auto_delay
        self._timer = self._view.set_interval(1, self._tick)
        self._view.show_countdown(self._left)

    def _tick(self) -> None:
        chat = self._opener.chat
        if chat.conversation is None or chat.conversation.id != self._conversation:
            self._end()
        # A reply or a script: the count stands still until it has ended.
        elif self._turns.busy:
            return
        elif self._prompt.text.strip():  # whoever writes is not talked over
            self._left = chat.group.auto_delay if chat.group is not None else self._left
            self._view.show_countdown(self._left)
        elif self._left > 0:
            self._left -= 1
            self._view.show_countdown(self._left)
        else:
            self._end()
            self._groups.let_speak()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self._view.show_countdown(None)

    async def switch(self, on: bool | None = None) -> None:
        """Let the group go on by itself, or not (None: the other way)."""
        group = self._opener.chat.group
        if group is None:
            return
        wanted = not group.auto_mode if on is None else on
        await self._runtime.library.groups.set(group.id, auto_mode=wanted)
        await self._opener.group_changed()
        if not wanted:
            self._end()
        elif not self._turns.busy:
            self.follow()
        if not self.waiting:  # the seconds that are counted, and the button beside them, say it themselves
            self._view.say(t("cast.auto_on" if wanted else "cast.auto_off", seconds=group.auto_delay))
