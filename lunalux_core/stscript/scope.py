"""Variables of scripts: those of closures (`Scope`), and those of the chat and of the library (`Store`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from lunalux_core.macros.grammar import SPACES
from lunalux_core.macros.variables import Scope as MacroScope
from lunalux_core.macros.variables import Variables
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.script_values import (
    UNDEFINED,
    convert,
    dump_json,
    member,
    parse_json,
    set_member,
    to_number,
    to_text,
    truthy,
)


def shown(value: Any) -> Any:
    """A stored value as it is read: text that is a number is one, nothing is the empty text."""
    blank = isinstance(value, str) and not value.strip(SPACES)
    number = to_number(value)
    if blank or math.isnan(number):
        return value if truthy(value) else ""
    return number


class Scope:
    """The variables that one run of a closure declares; it sees those of its parent.

    `pipe` is None as long as no command of it has given anything.
    """

    __slots__ = ("_pipe", "macros", "parent", "values")

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.values: dict[str, Any] = {}
        self.macros: dict[str, str] = {}
        self._pipe: Any = None

    def copy(self) -> Scope:
        copied = Scope(self.parent)
        copied.values, copied.macros, copied._pipe = dict(self.values), dict(self.macros), self._pipe
        return copied

    @property
    def pipe(self) -> Any:
        """What the last command gave, of the nearest scope in which one did."""
        scope: Scope | None = self
        while scope is not None:
            if scope._pipe is not None:
                return scope._pipe
            scope = scope.parent
        return None

    @pipe.setter
    def pipe(self, value: Any) -> None:
        self._pipe = value

    def all_macros(self) -> dict[str, str]:
        """Macros of this scope and of those around it, the nearest of a name, by lower-case name."""
        macros: dict[str, str] = {}
        scope: Scope | None = self
        while scope is not None:
            for name, value in scope.macros.items():
                macros.setdefault(name.lower(), value)
            scope = scope.parent
        return macros

    def holder(self, name: object) -> Scope | None:
        """The nearest scope that has the variable."""
        scope: Scope | None = self
        while scope is not None:
            # A list or an object may be given as a name; looking it up in a dict would raise.
            if isinstance(name, str) and name in scope.values:
                return scope
            scope = scope.parent
        return None

    def declare(self, name: str, value: Any = UNDEFINED) -> None:
        """Raises Fault (SCRIPT_VARIABLE_EXISTS)."""
        if name in self.values:
            raise Fault("SCRIPT_VARIABLE_EXISTS", name=name)
        self.values[name] = value

    def get(self, name: str, index: object = UNDEFINED) -> Any:
        """The value, or its member. Raises Fault (SCRIPT_NO_VARIABLE)."""
        holder = self.holder(name)
        if holder is None:
            raise Fault("SCRIPT_NO_VARIABLE", name=name)
        value = holder.values[name]
        if index is UNDEFINED:
            return shown(value)
        try:
            value = parse_json(value)
        except ValueError:
            pass
        try:
            item = member(value, index)
        except ValueError:
            raise Fault("SCRIPT_BAD_ARGUMENT", argument="index=", value=to_text(index)) from None
        if item is None or isinstance(item, list | dict):
            return dump_json(item)
        return "" if item is UNDEFINED else item

    def set(self, name: str, value: Any, index: object = UNDEFINED, kind: object = None) -> None:
        """Raises Fault (SCRIPT_NO_VARIABLE, SCRIPT_BAD_ARGUMENT)."""
        holder = self.holder(name)
        if holder is None:
            raise Fault("SCRIPT_NO_VARIABLE", name=name)
        if index is UNDEFINED:
            holder.values[name] = value
            return
        try:
            container = parse_json(holder.values[name])
            set_member(container, index, convert(value, kind))
        except (ValueError, OverflowError):
            raise Fault("SCRIPT_BAD_ARGUMENT", argument="index=", value=to_text(index)) from None
        holder.values[name] = dump_json(container)


class Store(MacroScope):
    """Variables that outlive the script, with the types scripts give them; macros use it as their own.

    Args:
        values: what there is already, by name; a copy is changed.
        spend: is told how many characters are stored.
    """

    def __init__(self, values: Mapping[str, Any], spend: Callable[[int], None]) -> None:
        super().__init__()
        self.values: dict[str, Any] = {name: _read_in(value) for name, value in values.items()}
        self._spend = spend

    def raw(self, name: str) -> str | None:
        value = self.values.get(name, UNDEFINED)
        return None if value is UNDEFINED else to_text(value)

    def has(self, name: object) -> bool:
        return isinstance(name, str) and name in self.values

    def get(self, name: str) -> str:
        return to_text(self.read(name))

    def set(self, name: str, value: str) -> None:
        self.write(name, value)

    def delete(self, name: str) -> None:
        self.values.pop(name, None)

    def add(self, name: str, value: str) -> str:
        self.increase(name, value)
        return self.get(name)

    def all(self) -> dict[str, str]:
        return {name: to_text(value) for name, value in self.values.items()}

    def read(self, name: object, index: object = UNDEFINED) -> Any:
        """The value as scripts read it, or its member."""
        value = self.values.get(name, UNDEFINED) if isinstance(name, str) else UNDEFINED
        if index is not UNDEFINED:
            try:
                value = parse_json(value)
                value = member(value, index)
            except ValueError:
                pass
            else:
                if value is None or isinstance(value, list | dict):
                    value = dump_json(value)
        return shown(value)

    def write(self, name: object, value: Any, index: object = UNDEFINED, kind: object = None) -> None:
        """Keep a value, or a member of one; a member of what has none changes nothing.

        Raises:
            Fault: SCRIPT_NO_NAME, SCRIPT_TOO_LARGE.
        """
        if not isinstance(name, str) or not name:
            raise Fault("SCRIPT_NO_NAME")
        if index is UNDEFINED:
            self._keep(name, value)
            return
        before = self.values.get(name)
        try:
            members = parse_json("null" if before is None else before)
            if members is None:
                # The first index decides what a new value becomes: a number makes a list, a name an object.
                members = {} if math.isnan(to_number(index)) else []
            set_member(members, index, convert(value, kind))
        except ValueError:
            return
        except OverflowError:
            raise Fault("SCRIPT_BAD_ARGUMENT", argument="index=", value=to_text(index)) from None
        self._keep(name, dump_json(members))

    def increase(self, name: object, value: Any) -> Any:
        """Numbers are added, a list gets one more item, anything else is put after the text."""
        current = self.read(name)
        if not truthy(current):
            current = 0.0
        if isinstance(current, str):
            try:
                items = parse_json(current)
            except ValueError:
                items = None
            if isinstance(items, list):
                items.append(value)
                self.write(name, dump_json(items))
                return items
        left, right = to_number(current), to_number(value)
        if math.isnan(left) or math.isnan(right):
            text = (to_text(current) if truthy(current) else "") + to_text(value)
            self.write(name, text)
            return text
        # Infinity and -Infinity: the variable stays as it is.
        if math.isnan(left + right):
            return ""
        self.write(name, left + right)
        return left + right

    def _keep(self, name: str, value: Any) -> None:
        if not isinstance(value, str | float | bool) and value is not None:
            value = to_text(value)
        # A number counts as 8 characters.
        self._spend(len(name) + (len(value) if isinstance(value, str) else 8))
        self.values[name] = value

    def document(self) -> dict[str, Any]:
        """The variables as JSON; whole numbers without a point."""
        return {name: plain(value) for name, value in self.values.items()}


def _read_in(value: Any) -> Any:
    """A value from a file: numbers are those of JavaScript."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def plain(value: Any) -> Any:
    """A value for JSON: whole numbers are whole."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value == int(value) else value
    return value


class Stores(Variables):
    """The variables of the chat and of the library, for one script."""

    local: Store
    global_: Store

    def __init__(
        self, local: Mapping[str, Any], global_: Mapping[str, Any], spend: Callable[[int], None]
    ) -> None:
        # Not through super(): it would make scopes of macros, which know texts only.
        self.local = Store(local, spend)
        self.global_ = Store(global_, spend)
