"""Commands that show something or pass it on."""

from __future__ import annotations

import math

from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.faults import Aborted, Fault
from lunalux_core.stscript.script_values import dump_json, is_false, to_number

_SEVERITIES = ("error", "warning", "success", "info")


async def _echo(call: Invocation) -> str:
    if call.value == "":
        return ""
    text, severity, host = call.text, call.argument("severity"), call.interpreter.host
    title = call.argument("title") or ""
    # The warning is in SillyTavern's words, and the text is shown all the same, as it is there.
    if severity and severity not in _SEVERITIES:
        await host.echo(f"Invalid severity provided for /echo command: {severity}", "warning", "")
    call.make(len(text))
    await host.echo(text, severity if severity in _SEVERITIES else "info", title)
    return text


def _pass(call: Invocation) -> object:
    if not isinstance(call.value, list):
        return call.value
    if any(isinstance(value, Closure) for value in call.value):
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the argument", value="several closures")
    return dump_json(call.value)


def _abort(call: Invocation) -> None:
    quiet = call.no_closure("quiet")
    raise Aborted(call.text or "/abort command executed", quiet=not is_false(quiet or "true"))


async def _delay(call: Invocation) -> str:
    milliseconds = to_number(call.value)
    if not math.isnan(milliseconds) and milliseconds > 0:
        await call.interpreter.budget.sleep(milliseconds / 1000)
    return ""


COMMANDS = (
    Command("echo", _echo, raw_quotes=True),
    Command("pass", _pass, ("return",)),
    Command("abort", _abort),
    Command("delay", _delay, ("wait", "sleep")),
)
