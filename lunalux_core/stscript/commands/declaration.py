"""How a command is declared: once, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.script_values import to_text

if TYPE_CHECKING:
    from lunalux_core.stscript.interpreter import Interpreter
    from lunalux_core.stscript.scope import Scope


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command, with its arguments.

    Args:
        named: arguments by name: text, or a closure.
        value: the unnamed argument: text, a closure, or a list of both; empty text if there is none.
        given: whether there is an unnamed argument, the pipe included.
        place: line and column of the command.
    """

    interpreter: Interpreter
    name: str
    named: Mapping[str, Any]
    value: Any
    given: bool
    scope: Scope
    flags: Mapping[str, bool]
    place: tuple[int, int]

    @property
    def text(self) -> str:
        """The unnamed argument as text, a list with commas, as JavaScript writes it."""
        return to_text(self.value)

    def argument(self, name: str) -> str | None:
        """A named argument as text, None if it is not written."""
        return to_text(self.named[name]) if self.named.get(name) is not None else None

    def no_closure(self, name: str) -> str | None:
        """`argument` of one that must not be a closure. Raises Fault (SCRIPT_BAD_ARGUMENT)."""
        if isinstance(self.named.get(name), Closure):
            raise Fault("SCRIPT_BAD_ARGUMENT", argument=f"{name}=", value="a closure")
        return self.argument(name)

    def make(self, size: int) -> None:
        """Tell that a text of that size is about to be made. Raises Fault (SCRIPT_TOO_LARGE)."""
        self.interpreter.budget.make(size)


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its name.

    Args:
        run: gives the new pipe (None for the empty text), or something to await that does.
        aliases: other names.
        split: the unnamed argument is parted at white space, its first `split_count` parts only if not 0.
        raw_quotes: quotes in the unnamed argument are text.
        app: it works on the app, so the host must offer it.
        ours: SillyTavern has no such command.
    """

    name: str
    run: Callable[[Invocation], Any]
    aliases: tuple[str, ...] = ()
    split: bool = False
    split_count: int = 0
    raw_quotes: bool = False
    app: bool = False
    ours: bool = False

    @property
    def help_key(self) -> str:
        """Where the catalogue keeps what the command does."""
        return f"script.help.{self.name.replace('-', '_')}"


@dataclass(frozen=True, slots=True)
class Registry:
    """The commands that a script may name.

    Args:
        offers: commands on the app that the host can do.
        whole_quotes: see `parser.parse`.
    """

    by_name: Mapping[str, Command]
    offers: frozenset[str] = field(default=frozenset())
    whole_quotes: bool = True

    @classmethod
    def of(
        cls, commands: Iterable[Command], offers: Iterable[str] = (), *, whole_quotes: bool = True
    ) -> Registry:
        named = {name: command for command in commands for name in (command.name, *command.aliases)}
        return cls(named, frozenset(offers), whole_quotes)

    def get(self, name: str, at: int = 0) -> Command | None:
        return self.by_name.get(name)

    def offered(self, name: str) -> bool:
        command = self.by_name[name]
        return not command.app or command.name in self.offers

    def __iter__(self) -> Iterator[Command]:
        return iter(dict.fromkeys(self.by_name.values()))
