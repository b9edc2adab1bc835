"""Keys that are typed ahead: each is read when what the keys before it asked for is done.

Textual hands a key to what has the focus when the key is read. What the key does comes later: it goes from
widget to widget up to the app, where keys are bound to actions; an action moves the focus, or begins work
that shows a dialog. By then the next keys would long have gone to the widget that had the focus before: the
letters of a search to a list, where letters are commands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ScreenStackError
from textual.errors import NoWidget
from textual.worker import Worker, get_current_worker

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode

MOVING = frozenset(
    {
        *("default", "dialog", "edit", "ends", "find", "jump", "list", "open", "path", "search", "send"),
        *("books", "card", "documents", "imported", "members", "memories", "mine", "models", "own-tags"),
        *("preset", "preset-edit", "roster", "settings", "sign_in", "trackers"),
    }
)
"""Groups of the workers that show something, ask something, or change a list that the next key acts on. What
others do (replies, prices, pictures) holds no key up."""

TYPED = (events.InputEvent, events.Paste, events.AppFocus, events.AppBlur)
"""What the terminal sends in an order that matters: a key gives the app the focus back that it has lost."""

PATIENCE = 0.5
"""Seconds that keys wait for such work, which may have to ask a server."""
LONGEST = 3.0
"""Seconds that keys wait for widgets that are still busy."""
HURRY = 0.1
"""Seconds that a key that stops or leaves waits for those typed before it."""
PAUSE = 0.01
"""Seconds between two looks at work that goes on."""
QUIET = 8
"""Turns of the event loop without anything under way that are taken for rest: an answer to work that waits
for one is on its way for some turns."""
BUSY_LOOKS = 500
"""Turns of the event loop that are looked at one by one; what takes longer is looked at now and then."""


class TypedAhead:
    """Holds keys back, and what the mouse does between them, until what came before them is done.

    A letter for a text field changes the field and nothing else, so letters are passed on as they come. Any
    other key waits until the letters before it have arrived, and what comes after it waits until the app is
    at rest again.
    """

    def __init__(
        self,
        app: App[Any],
        pass_on: Callable[[events.Event], Awaitable[None]],
        urgent: Callable[[str], bool],
    ) -> None:
        """
        Args:
            pass_on: what the app does with an event when it is read.
            urgent: whether a key stops or leaves; none of these is held up long.
        """
        self._app = app
        self._pass_on = pass_on
        self._urgent = urgent
        self._held: deque[events.Event] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._at_rest = False  # not before the first screen is there
        self._known: set[Worker[Any]] = set()
        """The workers that ran when the app was last at rest."""
        self._asking: set[Worker[Any]] = set()
        self._late = False
        """Whether what is held back goes on without waiting."""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A while in which the present worker waits for the person, and not the person for it."""
        worker: Worker[Any] = get_current_worker()
        self._asking.add(worker)
        try:
            yield
        finally:
            self._asking.discard(worker)
            self._known.discard(worker)  # what it does with the answer is new

    async def read(self, event: events.Event) -> None:
        """Pass an event of the terminal on, now or in its turn. Only where the app reads its messages."""
        if self._settling is None:
            await self._read(event)
        else:
            self._held.append(event)
        if self._held and isinstance(event, events.Key) and self._urgent(event.key):
            asyncio.get_running_loop().call_later(HURRY, self._give_up, event)

    async def _read(self, event: events.Event) -> None:
        """Pass an event on, unless it has to wait for those before it: then it is held back, as the first."""
        if isinstance(event, events.Key) and self._is_letter(event):
            self._leave_rest()
            await self._pass_on(event)
        elif not isinstance(event, (events.Key, events.Paste, events.MouseDown, events.MouseUp)):
            await self._pass_on(event)
        elif self._at_rest or self._late or isinstance(event, events.Paste):
            self._leave_rest()
            target = self._target(event)
            await self._pass_on(event)
            if not self._late:
                self._settle(target)
        else:
            self._held.appendleft(event)
            self._settle(self._target(event))

    def _is_letter(self, event: events.Key) -> bool:
        focused = self._app.focused
        # Of alt with a letter the character is the letter, though no field takes it.
        return (
            focused is not None
            and "+" not in event.key
            and focused.check_consume_key(event.key, event.character)
        )

    def _leave_rest(self) -> None:
        if self._at_rest:
            self._at_rest = False
            self._known = set(self._app.workers)

    def _target(self, event: events.Event | None = None) -> DOMNode:
        """What an event is handed to; without one, what a key would be."""
        if isinstance(event, events.MouseEvent):
            with suppress(NoWidget):
                return self._app.get_widget_at(event.x, event.y)[0]
        return self._app.focused or self._app.screen

    # -- coming to rest ----------------------------------------------------------------------------

    def _settle(self, target: DOMNode) -> None:
        """Let go of what is held back when what was handed to `target` is done."""
        self._settling = asyncio.create_task(self._bounded_rest(target))
        # Not at the end of the task: one that is cancelled before it began never comes there.
        self._settling.add_done_callback(lambda _: self._app.call_later(self._let_go))

    async def _bounded_rest(self, target: DOMNode) -> None:
        with suppress(TimeoutError, ScreenStackError):  # the latter where the app ends
            async with asyncio.timeout(LONGEST):
                await self._rest(target)

    async def _rest(self, target: DOMNode) -> None:
        """Wait until nothing waits at `target`, where a key would go now, or between these and the app, and
        no work goes on that may change where that is."""
        ways = {target: target.ancestors_with_self}
        quiet, looks, patience = 0, 0, round(PATIENCE / PAUSE)
        while quiet < QUIET:
            here = self._target()
            if here not in ways:
                quiet, ways[here] = 0, here.ancestors_with_self
            looks += 1
            if any(node.message_queue_size and node.is_running for way in ways.values() for node in way):
                quiet = 0
                await asyncio.sleep(0 if looks < BUSY_LOOKS else PAUSE)
            # Looks are counted and not seconds: while modules are imported, all stands still.
            elif patience and self._moving():
                quiet, patience = 0, patience - 1
                await asyncio.sleep(PAUSE)
            else:
                quiet += 1
                await asyncio.sleep(0)

    def _moving(self) -> bool:
        """Whether work that what was typed has begun may still show or change something."""
        return any(
            worker.group in MOVING and not worker.is_finished
            for worker in self._app.workers
            if worker not in self._known and worker not in self._asking
        )

    async def _let_go(self) -> None:
        self._settling = None
        self._at_rest = not self._late
        while self._held and self._settling is None:
            await self._read(self._held.popleft())
        self._late = self._late and bool(self._held)

    def _give_up(self, event: events.Event) -> None:
        if event in self._held and self._settling is not None:
            self._late = True
            self._settling.cancel()
