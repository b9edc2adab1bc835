"""What the parser makes of a script: closures, and the commands in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lunalux_core.stscript.faults import ScriptSource
from lunalux_core.stscript.scope import Scope


class Breaker:
    """Tells the closures of one loop or call that `/break` was run."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken = False


@dataclass(slots=True)
class Step:
    """One command as it is written.

    Args:
        name: as it was called; ``:`` for the short form of /run, ``break`` for /break.
        start: index of its name in the source.
        injects: whether the pipe comes in where no unnamed argument is written.
        flags: the parser flags in force where it stands.
    """

    name: str
    start: int
    named: list[tuple[str, str | Closure]] = field(default_factory=list)
    unnamed: list[str | Closure] = field(default_factory=list)
    injects: bool = True
    flags: Mapping[str, bool] = field(default_factory=dict)


class Closure:
    """Commands to run, with the arguments they take and the scope they see.

    A closure sees the variables of the place where it is used, so its scope gets its parent there, and each
    run is one of a copy.
    """

    __slots__ = ("arguments", "breaker", "immediate", "provided", "raw", "scope", "source", "steps")

    def __init__(self, source: ScriptSource, parent: Scope | None = None) -> None:
        self.source = source
        self.scope = Scope(parent)
        self.arguments: list[tuple[str, str | Closure]] = []
        self.provided: list[tuple[str, str | Closure]] = []
        self.steps: list[Step] = []
        self.immediate = False
        self.breaker: Breaker | None = None
        self.raw = ""

    def copy(self) -> Closure:
        copied = Closure(self.source)
        copied.scope = self.scope.copy()
        # Nothing changes arguments and steps after the parser, so they are shared.
        copied.arguments, copied.provided, copied.steps = self.arguments, list(self.provided), self.steps
        copied.immediate, copied.breaker, copied.raw = self.immediate, self.breaker, self.raw
        return copied

    def __str__(self) -> str:
        return "[Closure]()" if self.immediate else "[Closure]"
