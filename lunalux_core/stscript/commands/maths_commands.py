"""Commands that calculate. What is no number and no variable that holds one is left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lunalux_core.macros.grammar import SPACES
from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.commands.flow_commands import lookup
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.script_values import as_list, number_text, to_number, to_text, truthy


def _numbers(call: Invocation) -> list[float]:
    """Operands: parted by spaces, or the items of one JSON list; a variable's name stands for its value."""
    value = call.value
    if isinstance(value, Closure):
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="the argument", value="a closure")
    items: list[Any] = value if isinstance(value, list) else value.split(" ")
    # What a macro or quotes gave is one part to the parser, whatever blanks are in it.
    if len(items) == 1 and isinstance(items[0], str):
        items = as_list(items[0]) if items[0].startswith("[") else items[0].split(" ")
    numbers = [
        _number(call, item) for item in items if not (isinstance(item, str) and not item.strip(SPACES))
    ]
    return [number for number in numbers if not math.isnan(number)]


def _number(call: Invocation, item: Any) -> float:
    if isinstance(item, str):
        item = item.strip(SPACES)
    number = to_number(item)
    return to_number(lookup(call, to_text(item))) if math.isnan(number) else number


def _of_all(work: Callable[[list[float]], float]) -> Callable[[Invocation], str]:
    """A command whose result is a number; 0 where there is none."""

    def run(call: Invocation) -> str:
        numbers = _numbers(call) if truthy(call.value) else []
        result = work(numbers) if numbers else 0.0
        return number_text(0.0 if math.isnan(result) else result)

    return run


def _of_first(work: Callable[[float], float]) -> Callable[[Invocation], str]:
    return _of_all(lambda numbers: work(numbers[0]))


def _of_two(work: Callable[[float, float], float]) -> Callable[[Invocation], str]:
    return _of_all(lambda numbers: work(numbers[0], numbers[1]) if len(numbers) > 1 else math.nan)


def _sum(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:  # in order and without the compensation of `sum`, as JavaScript adds
        total += number
    return total


def _difference(numbers: list[float]) -> float:
    total = numbers[0]
    for number in numbers[1:]:
        total -= number
    return total


def _divide(left: float, right: float) -> float:
    return 0.0 if right == 0 else left / right


def _modulo(left: float, right: float) -> float:
    """The remainder has the sign of the left operand."""
    if right == 0:
        return 0.0
    # `fmod` raises ValueError for the remainder of infinity.
    return math.nan if math.isinf(left) else math.fmod(left, right)


def _power(base: float, exponent: float) -> float:
    # NaN in JavaScript, 1 in Python.
    if abs(base) == 1 and math.isinf(exponent):
        return math.nan
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent == int(exponent) and int(exponent) % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:  # a root of a negative number, or 0 to a negative power
        return math.inf if base == 0 else math.nan


def _root(number: float) -> float:
    return math.sqrt(number) if number >= 0 else math.nan


def _logarithm(number: float) -> float:
    if number == 0:
        return -math.inf
    return math.log(number) if number > 0 else math.nan


def _circle(work: Callable[[float], float]) -> Callable[[float], float]:
    # NaN in JavaScript; Python raises ValueError for infinity.
    return lambda number: math.nan if math.isinf(number) else work(number)


def rounded(number: float) -> float:
    """To the nearest whole number, halves upwards."""
    if not math.isfinite(number):
        return number
    # Python's own `round` takes halves to the even neighbour.
    whole = float(math.floor(number))
    return whole + 1 if number - whole >= 0.5 else whole


def _random(call: Invocation) -> str:
    low = to_number(call.named["from"]) if call.named.get("from") is not None else 0.0
    high = call.named["to"] if call.named.get("to") is not None else call.value or 1.0
    drawn = low + call.interpreter.setting.context.random() * (to_number(high) - low)
    if math.isfinite(drawn):
        match call.argument("round"):
            case "round":
                drawn = rounded(drawn)
            case "ceil":
                drawn = float(math.ceil(drawn))
            case "floor":
                drawn = float(math.floor(drawn))
    return number_text(drawn)


COMMANDS = (
    Command("add", _of_all(_sum), split=True),
    Command("mul", _of_all(math.prod), split=True),
    Command("max", _of_all(max), split=True),
    Command("min", _of_all(min), split=True),
    Command("sub", _of_all(_difference), split=True),
    Command("div", _of_two(_divide), split=True),
    Command("mod", _of_two(_modulo), split=True),
    Command("pow", _of_two(_power), split=True),
    Command("sin", _of_first(_circle(math.sin))),
    Command("cos", _of_first(_circle(math.cos))),
    Command("log", _of_first(_logarithm)),
    Command("abs", _of_first(abs)),
    Command("sqrt", _of_first(_root)),
    Command("round", _of_first(rounded)),
    Command("rand", _random),
)
