"""What every screen has: the bars of places and keys, and workers whose failures are shown, not a crash."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual import events
from textual.actions import SkipAction
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from lunalux_core.errors import LunaluxError
from lunalux_tui.actions import UNBOUND, Action, first_key, key_name, reachable
from lunalux_tui.i18n import language, t, tell
from lunalux_tui.parts.drawn import Bar, Part, keymap_of
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, PANEL

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.host import Host

Result = TypeVar("Result")
Objects = TypeVar("Objects")
Work = Callable[[], Coroutine[Any, Any, None]]
"""What is done in a worker; its coroutine is made only when it runs."""

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

    def __init_subclass__(cls, **inherited: Any) -> None:
        super().__init_subclass__(**inherited)
        for name in cls.HANDLERS:
            # Textual finds what does an action as a method of this name.
            setattr(cls, f"action_{name}", _handed(name))

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


KEPT = range(60, 81)
CLOSE = 90
"""Places in the footer that stay longest: help and commands, the answer of a dialog; the way out is never
left out."""


def _weight(place: int) -> int:
    """How early a key is left out where there is no room for all."""
    if place == CLOSE:
        return 0
    return place if place in KEPT else 100 + place


CHECK_SECONDS = 0.1
"""How long after a frame the keys are looked at again: letters typed in a row pay for it once."""


class KeyBar(Bar):
    """One line of keys. It follows the focus; a key can be clicked too."""

    GROUND = PANEL

    _parts: Sequence[Part] | None = None
    """What is shown; None where the keys have changed since. Textual draws the bar with each frame of
    whatever changes, and to find the keys every binding asks the screen whether it can be used: too much for
    each letter that is typed."""
    _check: Timer | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, _screen: Screen[object]) -> None:
        self._parts = None
        self.refresh()

    def retranslate(self) -> None:
        self._parts = None
        super().retranslate()

    def left(self) -> Sequence[Part]:
        if self._parts is None:
            self._parts = self._usable_keys()
        elif self._check is None and not getattr(self.screen, "streaming", False):
            # What an action depends on may have changed without a word to the screen.
            self._check = self.set_timer(CHECK_SECONDS, self._check_keys)
        return self._parts

    def _check_keys(self) -> None:
        self._check = None
        if not self.app.is_running:  # it ends, and its screens have gone already
            return
        parts = self._usable_keys()
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def _usable_keys(self) -> Sequence[Part]:
        keys: dict[str, str] = {}
        for entry in self.screen.active_bindings.values():
            binding = entry.binding
            # A binding without a key of its own stands under a name that no keyboard sends.
            if binding.show and entry.enabled and binding.id and not binding.key.startswith(UNBOUND):
                keys.setdefault(binding.id, binding.key)
        actions = {action.id: action for action in reachable(self.app, self.screen)}
        parts: dict[str, Part] = {}
        for action_id in sorted(
            keys.keys() & actions.keys(), key=lambda action_id: actions[action_id].footer
        ):
            label, place = actions[action_id].label, actions[action_id].footer
            key = keys[action_id]
            part = Part(f"{key_name(key)} {label}", MUTED, f"app.simulate_key('{key}')", _weight(place))
            parts.setdefault(label, part)  # the nearest of two keys for the same thing
        return list(parts.values())


class PlaceBar(Bar):
    """One line, as long as the width allows: with all names, with the name of this place alone, or keys.

    On a screen of a few lines it is not shown (`.-tiny` in app.tcss).
    """

    GROUND = PANEL

    _shown: tuple[tuple[object, ...], Sequence[Part]] = ((), ())
    """What the parts depend on, and the parts: Textual draws the bar with each frame of whatever changes."""

    def left(self) -> Sequence[Part]:
        state = (self.size.width, language(), keymap_of(self))
        if self._shown[0] != state:
            self._shown = state, self._fitting()
        return self._shown[1]

    def _fitting(self) -> Sequence[Part]:
        places = [action for action in cast("Host", self.app).ACTIONS if action.method.startswith("app.go(")]
        here = f"go.{getattr(cast('Screen[Any]', self.screen), 'PLACE', '')}"
        forms = (
            [self._part(place, here, keyed=True, named=True) for place in places],
            [self._part(place, here, keyed=place.id != here, named=True) for place in places],
            [self._part(place, here, keyed=True, named=place.id == here) for place in places],
            [self._part(place, here, keyed=place.id != here, named=place.id == here) for place in places],
        )
        width = self.size.width - 2
        return next((parts for parts in forms if self._length(parts) <= width), forms[-1])

    def _part(self, place: Action, here: str, *, keyed: bool, named: bool) -> Part:
        key = first_key(place, keymap_of(self)) if keyed else ""
        words = " ".join(part for part in (key, place.label if named or not key else "") if part)
        style = ACCENT | BOLD if place.id == here else MUTED
        return Part(words, style, place.method, 0 if place.id == here else 1)
