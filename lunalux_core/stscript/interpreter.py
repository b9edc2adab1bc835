"""Runs what the parser has read.

A closure runs its commands in order; what one gives is the pipe, which the next one takes where no unnamed
argument is written. The first command of a closure takes nothing. Every run works on a copy of the closure,
so that loops and calls start afresh.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lunalux_core.errors import LunaluxError
from lunalux_core.macros.context import MacroContext
from lunalux_core.stscript.argument_macros import expand, unescaped
from lunalux_core.stscript.closure import Closure, Step
from lunalux_core.stscript.commands.declaration import Invocation, Registry
from lunalux_core.stscript.faults import Aborted, Fault, ScriptSource, located
from lunalux_core.stscript.host import Host
from lunalux_core.stscript.parser import parse
from lunalux_core.stscript.patterns import Patterns
from lunalux_core.stscript.run_limits import Budget, Limits
from lunalux_core.stscript.scope import Scope, Stores, plain
from lunalux_core.stscript.script_values import dump_json


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """What became of a script.

    Args:
        pipe: the last value; None if the script was empty, aborted or failed.
        local: variables of the chat, as JSON.
        global_: variables of the library, as JSON.
        abort_shown: what a loud /abort shows.
        error: why it failed. `ran` tells whether anything had run before.
    """

    pipe: str | None
    local: Mapping[str, Any]
    global_: Mapping[str, Any]
    aborted: bool = False
    abort_shown: str | None = None
    error: LunaluxError | None = None
    ran: bool = True


@dataclass(frozen=True, slots=True)
class ClosureResult:
    """What a closure gave, and whether `/break` ended it."""

    pipe: Any
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a script runs.

    Args:
        local: variables of the chat.
        global_: variables of the library.
        flags: parser flags that are on from the start.
    """

    context: MacroContext = field(default_factory=MacroContext)
    local: Mapping[str, Any] = field(default_factory=dict)
    global_: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)


class Interpreter:
    """One run of one script."""

    def __init__(
        self, host: Host, registry: Registry, setting: Setting | None = None, limits: Limits | None = None
    ) -> None:
        self.host = host
        self.registry = registry
        self.setting = setting or Setting()
        self.budget = Budget(limits or Limits())
        self.stores = Stores(self.setting.local, self.setting.global_, self.budget.make)
        self.patterns = Patterns()

    async def run(self, text: str) -> ScriptOutcome:
        """Run a script to its end, whatever that is; nothing is raised but what the host raises."""
        if not text:
            return self._outcome(None)
        try:
            source = ScriptSource(text)
            closure = self.read(source, self.setting.flags)
        except LunaluxError as error:
            return self._outcome(None, error=error, ran=False)
        try:
            result = await self.run_closure(closure)
        except Aborted as end:
            return self._outcome(None, aborted=True, abort_shown=None if end.quiet else end.reason)
        except Fault as fault:
            return self._outcome(None, error=located(fault, "", source.place(0)))
        # Python's own stack may end before the bound on nesting does.
        except RecursionError:
            deep = Fault("SCRIPT_TOO_DEEP", limit=self.budget.limits.nesting)
            return self._outcome(None, error=located(deep, "", source.place(0)))
        except LunaluxError as error:
            return self._outcome(None, error=error)
        finally:
            self.patterns.close()
        return self._outcome(None if result.pipe is None else str(result.pipe))

    def _outcome(self, pipe: str | None, **rest: Any) -> ScriptOutcome:
        return ScriptOutcome(pipe, self.stores.local.document(), self.stores.global_.document(), **rest)

    def read(self, source: ScriptSource, flags: Mapping[str, bool]) -> Closure:
        """The text of a script, parsed into a closure. Raises ScriptError."""
        limits = self.budget.limits
        if len(source.text) > limits.script:
            raise located(Fault("SCRIPT_TOO_LONG", limit=limits.script), "", source.place(0))
        return parse(
            source, self.registry, flags, nesting=limits.nesting, whole_quotes=self.registry.whole_quotes
        )

    async def run_closure(self, closure: Closure) -> ClosureResult:
        """Run a copy of a closure. Raises Aborted, Fault and ScriptError."""
        with self.budget.deeper():
            return await self._run_copy(closure.copy())

    async def execute_text(self, text: str, invocation: Invocation) -> ClosureResult | None:
        """Run a command in quotes, in the scope of the command that does; None for an empty one."""
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        if not text:
            return None
        closure = self.read(ScriptSource(text, invocation.place), invocation.flags)
        # Its variables are looked for where the command stands, not where the text was written.
        closure.scope.parent = invocation.scope
        return await self.run_closure(closure)

    async def _run_copy(self, closure: Closure) -> ClosureResult:
        scope, breaker = closure.scope, closure.breaker
        for name, written in closure.arguments:
            scope.declare(name, await self._argument(written, closure, scope))
        for name, written in closure.provided:
            # What is given is read where the closure is called; the defaults above, inside it.
            scope.set(name, await self._argument(written, closure, scope.parent or scope))
        if not closure.steps:
            # Otherwise an empty closure would give the pipe of the scope around it.
            scope.pipe = ""
        for number, step in enumerate(closure.steps):
            if breaker is not None and breaker.broken:
                break
            place = closure.source.place(step.start - 1)
            try:
                # Also where other tasks get their turn: a script that loops must not stop the app.
                await self.budget.step()
                if step.name == "break":
                    if await self._break(step, closure, number):
                        break
                else:
                    await self._perform(step, closure, number, place)
            except Fault as fault:
                raise located(fault, step.name, place) from None
        return ClosureResult(scope.pipe, breaker is not None and breaker.broken)

    async def _break(self, step: Step, closure: Closure, number: int) -> bool:
        """Put what is written after /break into the pipe, and end the loop or call around it, if any."""
        value, _ = await self._unnamed(step, closure, number)
        if value is not None:
            closure.scope.pipe = self._as_pipe(value)
        if closure.breaker is None:
            return False
        closure.breaker.broken = True
        return True

    async def _perform(self, step: Step, closure: Closure, number: int, place: tuple[int, int]) -> None:
        named = {name: await self._argument(written, closure, closure.scope) for name, written in step.named}
        value, given = await self._unnamed(step, closure, number)
        command = self.registry.get("run" if step.name == ":" else step.name)
        if command is None:  # the parser lets none through
            raise Fault("SCRIPT_UNKNOWN_COMMAND")
        invocation = Invocation(
            self, step.name, named, "" if value is None else value, given, closure.scope, step.flags, place
        )
        result = command.run(invocation)
        # Most commands only compute; those that wait for something give an awaitable.
        if inspect.isawaitable(result):
            result = await result
        closure.scope.pipe = self._as_pipe(result)

    def _as_pipe(self, value: object) -> str | Closure:
        """A result as the next command takes it: text or a closure."""
        if isinstance(value, Closure):
            return value
        if value is None:
            return ""
        text = value if isinstance(value, str) else dump_json(plain(value))
        self.budget.make(len(text))
        return text

    # Arguments

    async def _argument(self, written: str | Closure, closure: Closure, scope: Scope) -> Any:
        """An argument with its macros expanded; a closure that is called at once gives what it gives."""
        if isinstance(written, str):
            text = expand(written, self.setting.context, self.stores, scope)
            self.budget.make(len(text))
            return text
        # The parser made one closure for all runs; what it sees is of this run.
        written.scope.parent = closure.scope
        written.breaker = closure.breaker
        if not written.immediate:
            return written
        value = (await self.run_closure(written)).pipe
        return unescaped(value) if isinstance(value, str) else value

    async def _unnamed(self, step: Step, closure: Closure, number: int) -> tuple[Any, bool]:
        """The unnamed argument, and whether there is one; the pipe where none is written."""
        scope = closure.scope
        if not step.unnamed:
            if number == 0 or not step.injects:
                return None, False
            pipe = scope.pipe
            return (unescaped(pipe) if isinstance(pipe, str) else pipe), pipe is not None
        values = [await self._argument(written, closure, scope) for written in step.unnamed]
        command = self.registry.get(step.name)
        if command is not None and command.split:
            return values, True
        if len(values) == 1:
            return values[0], True
        if any(isinstance(value, Closure) for value in values):
            return values, True
        text = "".join("" if value is None else value for value in values)
        self.budget.make(len(text))
        return text, True
