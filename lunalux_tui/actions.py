"""What a person can do, declared once as data.

An `Action` names a method of a screen or of the app, its default keys and its place in the footer; its
words are in the catalogue under `action.<id>`. Key bindings, footer, help, command palette, the key map of
the configuration and the key reference of the docs are all drawn from these declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual.binding import Binding, BindingType

from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.screen import Screen

UNBOUND = "unbound-"
"""Begins the key of an action without one: no terminal sends it, a key map can still replace it."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    Attributes:
        id: `group.name`; names the words (`action.<id>`) and the entry of the key map.
        method: the Textual action, as in `action_<method>`, with arguments if any.
        keys: default keys, separated by commas; "" for none.
        footer: place in the footer from the left; 0 stays out of it.
        priority: whether the key wins over the focused widget.
        palette: whether the command palette offers it.
    """

    id: str
    method: str
    keys: str = ""
    footer: int = 0
    priority: bool = False
    palette: bool = True

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    @property
    def label(self) -> str:
        """One or two words, for the footer."""
        return t(f"action.{self.id}.label")

    @property
    def help(self) -> str:
        """A sentence, for help and palette."""
        return t(f"action.{self.id}.help")


@runtime_checkable
class Acting(Protocol):
    """A node that declares actions."""

    ACTIONS: Sequence[Action]


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    """Textual's bindings for some actions, each with its id."""
    return [
        Binding(
            action.keys or UNBOUND + action.id,
            action.method,
            action.id,
            show=action.footer > 0,
            priority=action.priority,
            id=action.id,
        )
        for action in actions
    ]


def actions_of(*nodes: object) -> Iterator[Action]:
    """The declarations of some nodes, without repetition."""
    seen: set[str] = set()
    for node in nodes:
        for action in node.ACTIONS if isinstance(node, Acting) else ():
            if action.id not in seen:
                seen.add(action.id)
                yield action


def reachable(app: App[Any], screen: Screen[Any]) -> dict[Action, DOMNode]:
    """Every action that could be meant on this screen, with the node that declares it.

    The focused widget's come first, then those of what is shown, the screen's and the app's.
    """
    focused = screen.focused
    line = focused.ancestors_with_self if focused is not None else [screen]
    shown = (node for node in screen.query("*") if node.display)
    reached: dict[str, tuple[Action, DOMNode]] = {}
    for node in (*line, *shown, screen, app):
        for action in getattr(node, "ACTIONS", ()):
            reached.setdefault(action.id, (action, node))
    return dict(reached.values())


def keys_of(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys of an action in the order of preference, by the person's key map or by default."""
    return [key.strip() for key in keymap.get(action.id, action.keys).split(",") if key.strip()]


def first_key(action: Action, keymap: Mapping[str, str]) -> str:
    """The first key of an action as the app shows it, "" if it has none."""
    keys = keys_of(action, keymap)
    return key_name(keys[0]) if keys else ""


_FUNCTION = re.compile(r"f\d+")

_NAMES = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "⏎",
    "escape": "esc",
    "question_mark": "?",
    "slash": "/",
    "number_sign": "#",
    "space": "␣",
    "backspace": "⌫",
    "delete": "del",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def key_name(key: str) -> str:
    """A key as the whole app spells it: ^p is ctrl+p, ⇧⏎ is shift+enter, F1 is f1."""
    # The plus stands between the parts of a key, and is one itself.
    *modifiers, name = key.split("+") if key != "+" else ["+"]
    label = _NAMES.get(name, name.upper() if _FUNCTION.fullmatch(name) else name)
    marks = {"ctrl": "^", "shift": "⇧", "alt": "alt+"}
    return "".join(marks.get(modifier, modifier + "+") for modifier in modifiers) + label
