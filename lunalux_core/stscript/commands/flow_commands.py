"""Commands that run others: conditions, loops, calls."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from lunalux_core.macros.grammar import SPACES
from lunalux_core.stscript.argument_macros import ARGUMENT
from lunalux_core.stscript.closure import Breaker, Closure
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.faults import Fault, ScriptSource
from lunalux_core.stscript.script_values import (
    UNDEFINED,
    dump_json,
    is_false,
    is_true,
    number_text,
    to_number,
    to_text,
    truthy,
)

LOOPS = 100
"""Turns of a loop, unless `guard=off`; then the bound on the steps of a script ends it."""

_NUMBER_RULES: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
_TEXT_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "in": operator.contains,
    "nin": lambda left, right: right not in left,
    "eq": operator.eq,
    "neq": operator.ne,
}


def _operand(call: Invocation, *names: str) -> Any:
    """A number, the value of a variable of that name, or the text itself; UNDEFINED if it is not written."""
    written = next((call.named[name] for name in names if call.named.get(name) is not None), UNDEFINED)
    if written is UNDEFINED or written == "":
        return written
    if isinstance(written, str):
        # JavaScript takes a blank text as 0; a blank operand is text all the same.
        number = to_number(written) if written.strip(SPACES) else math.nan
        if not math.isnan(number):
            return number
        if (value := lookup(call, written)) is not UNDEFINED:
            return value
    return to_text(written)


def lookup(call: Invocation, name: str) -> Any:
    """The value of the nearest variable: of a closure, of the chat, of the library; else UNDEFINED."""
    if call.scope.holder(name) is not None:
        return call.scope.get(name)
    for store in (call.interpreter.stores.local, call.interpreter.stores.global_):
        if store.has(name):
            return store.read(name)
    return UNDEFINED


def _holds(call: Invocation) -> bool:
    left = _operand(call, "a", "left", "first", "x")
    right = _operand(call, "b", "right", "second", "y")
    rule = call.argument("rule")
    if left is UNDEFINED:
        raise Fault("SCRIPT_NO_OPERAND")
    if right is UNDEFINED:
        if rule not in (None, "not"):
            raise Fault("SCRIPT_BAD_RULE", value=rule)
        text = to_text(left)
        yes = is_true(text) or (not is_false(text) and truthy(left))
        return yes == (rule is None)
    rule = "eq" if rule is None else rule
    if isinstance(left, float) and isinstance(right, float) and rule not in ("in", "nin"):
        if rule not in _NUMBER_RULES:
            raise Fault("SCRIPT_BAD_RULE", value=rule)
        return _NUMBER_RULES[rule](left, right)
    if rule not in _TEXT_RULES:
        raise Fault("SCRIPT_BAD_RULE", value=rule)
    return _TEXT_RULES[rule](_as_words(left), _as_words(right))


def _as_words(value: Any) -> str:
    if isinstance(value, Closure):
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="left= and right=", value="a closure")
    return (value if isinstance(value, str) else dump_json(value)).lower()


def _body(call: Invocation) -> str | Closure:
    """The command to run: a closure, or one in quotes."""
    if not isinstance(call.value, list):
        if call.value == "":
            return ""
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the command", value=call.text)
    first = call.value[0] if call.value else ""
    return first if isinstance(first, Closure) else " ".join(map(to_text, call.value))


async def _if(call: Invocation) -> Any:
    holds = _holds(call)
    body = _body(call)
    chosen = body if holds else call.named.get("else")
    if not chosen:
        return ""
    if isinstance(chosen, Closure):
        return (await call.interpreter.run_closure(chosen)).pipe
    result = await call.interpreter.execute_text(to_text(chosen), call)
    return result.pipe if result else ""


async def _while(call: Invocation) -> Any:
    guarded = not is_false(call.no_closure("guard"))
    body = _body(call)
    pipe: Any = ""
    turn = 0
    # The condition is read every turn: an operand may name a variable that the body changes.
    while (turn < LOOPS or not guarded) and _holds(call) and body:
        await call.interpreter.budget.step()
        result = await _turn(call, body, turn, loop=False)
        if result is not None:
            pipe = result.pipe
            if result.broken:
                break
        turn += 1
    return pipe


async def _times(call: Invocation) -> Any:
    guarded = not is_false(call.no_closure("guard"))
    parts = call.value if isinstance(call.value, list) else call.text.split(" ")
    count = to_number(parts[0]) if parts else math.nan
    count = min(count, LOOPS) if guarded else count
    rest = parts[1:]
    body = rest[0] if rest and isinstance(rest[0], Closure) else " ".join(map(to_text, rest))
    pipe: Any = ""
    turn = 0
    while turn < count:  # never for NaN
        await call.interpreter.budget.step()
        result = await _turn(call, body, turn, loop=True)
        if result is None:
            raise Fault("SCRIPT_BAD_ARGUMENT", argument="the command", value="empty")
        pipe = result.pipe
        if result.broken:
            break
        turn += 1
    return pipe


async def _turn(call: Invocation, body: str | Closure, turn: int, *, loop: bool) -> Any:
    number = number_text(float(turn))
    if isinstance(body, Closure):
        # A new one each time: what /break said in an earlier turn must not end this one.
        body.breaker = Breaker()
        if loop:
            body.scope.macros["timesIndex"] = number
        return await call.interpreter.run_closure(body)
    # A command in quotes is read anew each turn, so the number can stand in its text.
    text = body.replace("{{timesIndex}}", number) if loop else body
    call.make(len(text))
    return await call.interpreter.execute_text(text, call)


async def _run(call: Invocation) -> Any:
    name = call.value
    if not isinstance(name, str | Closure) or not name:
        raise Fault("SCRIPT_NOT_CALLABLE", name=call.text)
    if isinstance(name, Closure):
        name.breaker = Breaker()
        return (await call.interpreter.run_closure(name)).pipe
    if call.scope.holder(name) is None:
        return await _quick_reply(call, name.strip(SPACES))
    closure = call.scope.get(name)
    if not isinstance(closure, Closure):
        raise Fault("SCRIPT_NOT_CALLABLE", name=name)
    closure.scope.parent = call.scope
    closure.breaker = Breaker()
    closure.provided = [(name, call.named[name]) for name, _ in closure.arguments if name in call.named]
    return (await call.interpreter.run_closure(closure)).pipe


async def _quick_reply(call: Invocation, name: str) -> Any:
    """Run a quick reply: it sees no variables of the closure that calls it, and its arguments as macros."""
    named = {name: to_text(value) for name, value in call.named.items()}
    with call.interpreter.budget.waiting():
        script = await call.interpreter.host.quick_reply(name, named)
    if script is None:
        raise Fault("SCRIPT_NO_QUICK_REPLY", name=name)
    closure = call.interpreter.read(ScriptSource(script, call.place), call.interpreter.setting.flags)
    # Without arguments there is an empty one, so that {{arg::…}} is known and empty in there.
    closure.scope.macros = {f"{ARGUMENT}{name}": value for name, value in (named or {"": ""}).items()}
    return (await call.interpreter.run_closure(closure)).pipe


async def _import(call: Invocation) -> str:
    """Declare closures here that another quick reply gives to variables: ``foo``, or ``foo as bar``."""
    place = call.argument("from") or ""
    names = [to_text(part) for part in call.value] if isinstance(call.value, list) else call.text.split()
    if not place or not names:
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="TEXT" if place else "from=", value='""')
    with call.interpreter.budget.waiting():
        script = await call.interpreter.host.quick_reply(place, {})
    if script is None:
        raise Fault("SCRIPT_NO_QUICK_REPLY", name=place)
    there = _declared(call.interpreter.read(ScriptSource(script, call.place), call.interpreter.setting.flags))
    while names:
        name = target = names.pop(0)
        if len(names) > 1 and names[0] == "as":
            target = names[1]
            del names[:2]
        if name not in there:
            raise Fault("SCRIPT_NOT_CALLABLE", name=f"{place}: {name}")
        if call.scope.holder(target) is not None:
            call.scope.set(target, there[name])
        else:
            call.scope.declare(target, there[name])
    return ""


def _declared(closure: Closure) -> dict[str, Closure]:
    """The closures that a script gives to variables where it stands, the first of each name."""
    there: dict[str, Closure] = {}
    for step in closure.steps:
        if step.name in ("let", "var"):
            key = dict(step.named).get("key")
            name, value = (key, *step.unnamed[:1]) if key is not None else step.unnamed[:2] or ("", "")
            if isinstance(name, str) and isinstance(value, Closure):
                there.setdefault(name, value)
    return there


def _argument(call: Invocation) -> str:
    """What an argument of a quick reply is where the caller gives none."""
    parts = [to_text(part) for part in call.value] if isinstance(call.value, list) else call.text.split(" ")
    name, value = f"{ARGUMENT}{parts[0]}", " ".join(parts[1:])
    if name.lower() not in call.scope.all_macros():
        call.scope.macros[name] = value
    return ""


COMMANDS = (
    Command("if", _if, split=True),
    Command("while", _while, split=True),
    Command("times", _times, split=True, split_count=1),
    Command("run", _run, ("call", "exec")),
    Command("import", _import, split=True),
    Command("qr-arg", _argument, split=True, split_count=2),
)
