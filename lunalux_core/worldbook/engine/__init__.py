"""The worldbook engine: SillyTavern's semantics, with a record of why.

engine_inputs   what goes in                 candidates        who takes part, in which order
decorators      leading @@ lines             entry_keys        whether a key stands in a text
buffer          the texts that are searched  index             a quick first look for large books
filters         what counts before the keys  inclusion_groups  one entry of several
admission       probability and budget       timed_effects     sticky, cooldown, delay
scan            the activation loop          engine_results    what comes out, and why
activation      brings all this together, and puts the texts where they go

See docs/spec/formats.md: Worldbooks.
"""

from __future__ import annotations

from lunalux_core.worldbook.engine.activation import activate
from lunalux_core.worldbook.engine.engine_inputs import (
    ActiveBook,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
    setting_name,
)
from lunalux_core.worldbook.engine.engine_results import (
    Activated,
    Activation,
    DepthEntry,
    Skipped,
)
from lunalux_core.worldbook.engine.entry_keys import RegexMatcher, regex_matcher

__all__ = [
    "Activated",
    "Activation",
    "ActiveBook",
    "DepthEntry",
    "RegexMatcher",
    "ScanContext",
    "ScanMessage",
    "Skipped",
    "TimedState",
    "Tools",
    "WorldbookSettings",
    "activate",
    "regex_matcher",
    "setting_name",
]
