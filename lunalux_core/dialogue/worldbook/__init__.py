"""The worldbook engine: SillyTavern's semantics, with a record of why (FORMATS part 2).

values     what goes in and out      matching  keys in the scan buffer
engine     the activation loop       groups    inclusion groups
timed      sticky, cooldown, delay   decorators  leading @@ lines
output     where the texts go
"""

from __future__ import annotations

from lunalux_core.dialogue.worldbook.engine import activate, candidates
from lunalux_core.dialogue.worldbook.regexes import regex_matcher
from lunalux_core.dialogue.worldbook.values import (
    Activated,
    Activation,
    ActiveBook,
    DepthEntry,
    ScanContext,
    ScanMessage,
    Skipped,
    TimedState,
    Tools,
    WorldbookSettings,
)

__all__ = [
    "Activated",
    "Activation",
    "ActiveBook",
    "DepthEntry",
    "ScanContext",
    "ScanMessage",
    "Skipped",
    "TimedState",
    "Tools",
    "WorldbookSettings",
    "activate",
    "candidates",
    "regex_matcher",
]
