"""Typed reading of environment variables: every refusal names the variable and what it must be.

See docs/spec/backend.md: Environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from lunalux_core.errors import InvalidInput

Environ = Mapping[str, str]
T = TypeVar("T")

_TWINS = frozenset(
    {
        "USER_TABLE_NAME",
        "USER_WALLET_TABLE_NAME",
        "MODEL_CONFIG_TABLE_NAME",
        "LEDGER_SUMMARY_TABLE_NAME",
        "INVITE_PROFILE_TABLE_NAME",
    }
)
# As the parts of an object's key: none begins with a dot.
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
LONGEST_FOLDER = 256
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "mo": 30 * 86_400}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FLAGS = ("1", "0", "true", "false", "yes", "no", "on", "off")


def duration_ms(text: str, *, bare_ms: int | None = None) -> int:
    """Milliseconds of `90s`, `15m`, `2h`, `7d`, `1mo` (30 days); a bare number counts `bare_ms` each.

    Raises:
        ValueError: no such duration, zero, or a bare number where none is allowed.
    """
    match = re.fullmatch(r"(\d{1,15})\s*(mo|[smhd])?", text.strip(), re.ASCII | re.IGNORECASE)
    if not match or int(match[1]) == 0:
        raise ValueError("a number with s, m, h, d or mo, above zero")
    if match[2] is None:
        if bare_ms is None:
            raise ValueError("a number with its unit: s, m, h or d")
        return int(match[1]) * bare_ms
    return int(match[1]) * _UNIT_SECONDS[match[2].lower()] * 1000


def duration_s(text: str) -> int:
    return duration_ms(text, bare_ms=1000) // 1000


def duration_with_unit_s(text: str) -> int:
    return duration_ms(text) // 1000


def whole(text: str, lowest: int = 0, highest: int = 2**53) -> int:
    if not re.fullmatch(r"-?\d{1,16}", text.strip(), re.ASCII) or not lowest <= int(text) <= highest:
        raise ValueError(f"a whole number from {lowest} to {highest}")
    return int(text)


def rounded(text: str) -> int:
    """Heat is counted in whole points; a weight written with decimals is rounded, halves
    upwards. One that would never count is a mistake that must be told."""
    weight = exact(text)
    points = whole_points(weight)
    if weight and not points:
        raise ValueError("0, or at least half a point")
    return points


def exact(text: str) -> Decimal:
    """A weight that is multiplied: it is the product that is rounded."""
    if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text.strip(), re.ASCII):
        raise ValueError("a number of at least 0")
    return Decimal(text.strip())


def whole_points(weight: Decimal) -> int:
    return int(weight.to_integral_value(ROUND_HALF_UP))


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas or line ends."""
    return tuple(part.strip() for part in re.split(r"[,，、\n]", text) if part.strip())


def folder(text: str) -> str:
    """The prefix of objects in a folder: no leading slash, exactly one at the end.

    Raises:
        ValueError: no object below it could have an address.
    """
    prefix = text.strip("/")
    if len(prefix) > LONGEST_FOLDER or not _FOLDER.fullmatch(prefix):
        raise ValueError("a folder such as a/b, of plain letters, digits, - and _")
    return prefix + "/"


def web_origin(text: str) -> str:
    """A page's origin as browsers send it, or `*`.

    Raises:
        ValueError: anything else.
    """
    if text != "*" and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@]+", text):
        raise ValueError("origins such as http://localhost:8000, with commas between them, or *")
    return text


def invalid(name: str, value: str, wanted: str) -> InvalidInput:
    return InvalidInput(
        "CONFIG_INVALID",
        f"The environment variable {name} must be {wanted}.",
        f"Correct {name}, or unset it to use the default.",
        variable=name,
        value=value,
        wanted=wanted,
    )


class Reader:
    """Typed access to the environment; blank counts as unset."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def raw(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        if not value and name in _TWINS:
            value = self._environ.get(f"NEXT_PUBLIC_{name}", "").strip()
        return value or None

    def text(self, name: str, default: str) -> str:
        return self.raw(name) or default

    def read(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        value = self.raw(name)
        if value is None:
            return default
        try:
            return parse(value)
        except (ValueError, OverflowError) as error:
            raise invalid(name, value, str(error)) from None

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        return self.read(name, None, parse)

    def count(self, name: str, default: int, *, lowest: int = 0, highest: int = 2**53) -> int:
        return self.read(name, default, lambda text: whole(text, lowest, highest))

    def flag(self, name: str, default: bool) -> bool:
        return self.choice(name, "true" if default else "false", tuple(_FLAGS), fold=True) in _TRUE

    def choice(self, name: str, default: str, allowed: tuple[str, ...], *, fold: bool = False) -> str:
        value = self.text(name, default)
        folded = value.lower() if fold else value.upper()
        if folded not in allowed:
            raise invalid(name, value, "one of " + ", ".join(allowed))
        return folded

    def prefix(self, name: str, default: str) -> str:
        """An object prefix: no leading slash, exactly one at the end."""
        return self.read(name, default, folder)

    def list(self, name: str) -> tuple[str, ...]:
        return listed(self.raw(name) or "")
