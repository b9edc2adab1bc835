"""Keys that are regular expressions, run by the engine that can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError

if TYPE_CHECKING:
    from lunalux_core.dialogue.ecma import EcmaEngine


def regex_matcher(engine: EcmaEngine) -> Callable[[str, str, str], bool | None]:
    """A matcher for `Tools`: None for an invalid pattern, False for one that takes too long."""

    def match(pattern: str, flags: str, text: str) -> bool | None:
        try:
            return engine.test(pattern, flags, text)
        except LunaluxError as error:
            return None if error.code == "REGEX_INVALID" else False

    return match
