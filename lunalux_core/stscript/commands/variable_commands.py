"""Commands on variables: of closures (let, var), of the chat (…var) and of the library (…globalvar)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.faults import Fault, ScriptSource
from lunalux_core.stscript.scope import Store
from lunalux_core.stscript.script_values import UNDEFINED, dump_json, to_text

Pick = Callable[[Invocation], Store]


def _local(call: Invocation) -> Store:
    return call.interpreter.stores.local


def _global(call: Invocation) -> Store:
    return call.interpreter.stores.global_


def _index(call: Invocation) -> object:
    return call.named["index"] if call.named.get("index") is not None else UNDEFINED


def _key(call: Invocation) -> str:
    return call.argument("key") or call.argument("name") or ""


def _set(pick: Pick) -> Callable[[Invocation], str]:
    def run(call: Invocation) -> str:
        pick(call).write(_key(call), call.value, _index(call), call.named.get("as"))
        return call.text

    return run


def _get(pick: Pick) -> Callable[[Invocation], str]:
    def run(call: Invocation) -> str:
        name = call.argument("key")
        return to_text(pick(call).read(call.text if name is None else name, _index(call)))

    return run


def _add(pick: Pick) -> Callable[[Invocation], str]:
    return lambda call: to_text(pick(call).increase(_key(call), call.value))


def _step(pick: Pick, by: float) -> Callable[[Invocation], str]:
    return lambda call: to_text(pick(call).increase(call.text, by))


def _flush(pick: Pick) -> Callable[[Invocation], Any]:
    async def run(call: Invocation) -> str:
        name = call.value
        if isinstance(name, Closure):
            name = (await call.interpreter.run_closure(name)).pipe
        pick(call).delete(to_text(name))
        return ""

    return run


# Variables of closures


def _named_or_first(call: Invocation) -> tuple[str, list[Any], bool]:
    """The name, what is to be its value, and whether the name was given as key=."""
    values = list(call.value) if isinstance(call.value, list) else [call.value]
    if "key" in call.named:
        return _name(call.named["key"]), values if call.given else [], True
    return _name(values[0] if values else ""), values[1:], False


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise Fault("SCRIPT_NO_NAME")
    return value


def _joined(values: list[Any]) -> Any:
    # After key= the parser has split off the first word of the value, as if it were the name.
    return " ".join(map(to_text, values)) if isinstance(values[0], str) else values[0]


def _let(call: Invocation) -> Any:
    name, values, _ = _named_or_first(call)
    if not values:
        call.scope.declare(name)
        return ""
    value = _joined(values)
    call.scope.declare(name, value)
    return value


def _var(call: Invocation) -> Any:
    name, values, _ = _named_or_first(call)
    if not values:
        return call.scope.get(name, _index(call))
    value = _joined(values)
    call.scope.set(name, value, _index(call), call.named.get("as"))
    return value


def _serialize(call: Invocation) -> str:
    if not isinstance(call.value, Closure):
        raise Fault("SCRIPT_NOT_CALLABLE", name=call.text)
    return call.value.raw


def _deserialize(call: Invocation) -> Closure:
    closure = call.interpreter.read(ScriptSource(call.text, call.place), call.flags)
    closure.scope.parent = call.scope
    return closure


def _list(call: Invocation) -> str:
    """The variables of the chat and of all chats, or of one of both (scope=local, global)."""
    scope = (call.argument("scope") or "all").strip().lower()
    if scope not in ("all", "local", "global"):
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="scope=", value=scope)
    stores = call.interpreter.stores
    rows = [
        {"key": name, "value": value, "scope": kind}
        for kind, store in (("local", stores.local), ("global", stores.global_))
        if scope in ("all", kind)
        for name, value in store.values.items()
    ]
    text = dump_json(rows)
    call.make(len(text))
    return text


COMMANDS = (
    Command("listvar", _list, ("listchatvar",)),
    Command("setvar", _set(_local), ("setchatvar",)),
    Command("getvar", _get(_local), ("getchatvar",)),
    Command("addvar", _add(_local), ("addchatvar",)),
    Command("incvar", _step(_local, 1.0), ("incchatvar",)),
    Command("decvar", _step(_local, -1.0), ("decchatvar",)),
    Command("flushvar", _flush(_local), ("flushchatvar",)),
    Command("setglobalvar", _set(_global)),
    Command("getglobalvar", _get(_global)),
    Command("addglobalvar", _add(_global)),
    Command("incglobalvar", _step(_global, 1.0)),
    Command("decglobalvar", _step(_global, -1.0)),
    Command("flushglobalvar", _flush(_global)),
    Command("let", _let, split=True, split_count=1),
    Command("var", _var, split=True, split_count=1),
    Command("closure-serialize", _serialize),
    Command("closure-deserialize", _deserialize),
)
