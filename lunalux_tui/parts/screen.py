"""What every screen has: the bars of places and keys, and workers whose failures are shown, not a crash."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual import events
from textual.actions import SkipAction
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from lunalux_core.errors import LunaluxError
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

Result = TypeVar("Result")
Objects = TypeVar("Objects")
Work = Callable[[], Coroutine[Any, Any, None]]
"""What is done in a worker; its coroutine is made only when it runs."""

START = "start"
"""Group of the worker that opens what is to be open when the app has started."""

TINY = 12
"""Lines of a terminal below which the bar of places is left out."""


@dataclass(frozen=True, slots=True)
class Handler(Generic[Objects]):
    """What does an action of a screen.

    Attributes:
        method: finds the method; it is asked when the action is wanted, since objects may be made then.
        group: the workers that the method, a coroutine, runs among; "" for one that is done at once.
        exclusive: whether it takes the place of what runs in that group.
    """

    method: Callable[[Objects], Callable[..., Any]]
    group: str = ""
    exclusive: bool = True


class LunaScreen(Screen[Result]):
    """A screen whose workers may fail: run them with `exit_on_error=False`.

    Children declare `ACTIONS` (see `actions`) and set `BINDINGS = bindings(ACTIONS)`. A widget that has
    words of its own implements `retranslate()`; it is called when the language is switched.
    """

    HANDLERS: ClassVar[Mapping[str, Handler[Any]]] = {}
    """What is not done by a method of the screen but by one of its `objects`, by the names of the actions."""

    _built = False

    def __init_subclass__(cls, **inherited: Any) -> None:
        super().__init_subclass__(**inherited)
        for name in cls.HANDLERS:
            # Textual finds what does an action as a method of this name.
            setattr(cls, f"action_{name}", _handed(name))

    async def on_event(self, event: events.Event) -> None:
        """Tell nothing to a screen that goes before its children have come: they would be looked for."""
        if isinstance(event, events.Mount):
            self._built = not (self._pruning or self._closing)
        if self._built or isinstance(event, (events.Compose, events.Unmount)):
            await super().on_event(event)

    @property
    def objects(self) -> Any:
        """What the handlers find their methods in."""
        return self

    def perform(self, action: str, *arguments: object) -> None:
        """Do an action of `HANDLERS`."""
        handler = self.HANDLERS[action]
        method = partial(handler.method(self.objects), *arguments)
        if handler.group:
            self.run_in(handler.group, method, exclusive=handler.exclusive)
        else:
            method()

    def run_in(self, group: str, work: Work, *, exclusive: bool = True) -> Worker[None]:
        """Do something in the background; `exclusive` work takes the place of what runs in its group."""
        return self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    @property
    def lunalux(self) -> Host:
        """The app, as what it is."""
        return cast("Host", self.app)

    @property
    def runtime(self) -> Runtime:
        """The runtime of the app."""
        return self.lunalux.runtime

    def on_resize(self, event: events.Resize) -> None:
        """Where there are a few lines only, they belong to what one came for."""
        self.set_class(event.size.height < TINY, "-tiny")

    def action_copy_text(self) -> None:
        """Copy what is selected. With nothing selected the clipboard stays as it is, and the key goes on to
        whatever else it means."""
        text = self.get_selected_text()
        if not text or not text.strip():
            raise SkipAction()
        self.app.copy_to_clipboard(text)
        self.notify(t("chat.copied"), markup=False, timeout=2)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_failure(event.worker.error)

    def show_failure(self, error: BaseException) -> None:
        """Tell the person: what happened and what to do, as a notice or as the screen likes it better."""
        if isinstance(error, LunaluxError):
            message, hint = tell(error)
            self.notify(hint or message, title=message if hint else "", severity="error", markup=False)
        else:
            from lunalux_core.diagnostics.crash import crashed

            self.show_failure(crashed(error, self.runtime.paths))


def _handed(name: str) -> Callable[..., None]:
    def action(screen: LunaScreen[Any], *arguments: Any) -> None:
        screen.perform(name, *arguments)

    return action
