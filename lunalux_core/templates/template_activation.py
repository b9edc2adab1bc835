"""Which template a model takes by itself: the first whose `activation_regex` finds something in its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lunalux_core.templates.template_values import Instruct

Matches = Callable[[str, str, str], bool]
"""Whether a JavaScript pattern (source, flags) finds something in a text; never raises."""

_WRITTEN = re.compile(r"(/?)(.+)\1([a-z]*)", re.IGNORECASE | re.ASCII)
_FLAGS = re.compile(r"(?!.*?(.).*?\1)[gmixXsuUAJ]+\Z")
"""Flags of any language, each once; those that JavaScript does not have make a pattern unusable."""
_KNOWN_FLAGS = frozenset("gimsu")


def activated(model: str, templates: Iterable[Instruct], matches: Matches) -> Instruct | None:
    """The first template, in the order of the list, that wants this model."""
    return next(
        (template for template in templates if wants(template.activation_regex, model, matches)), None
    )


def wants(expression: str, model: str, matches: Matches) -> bool:
    """Whether an expression as it is written, `/…/flags` or bare, finds something in a model's name.

    One with flags that do not exist, or twice the same, is a pattern as a whole, its slashes included.
    """
    written = _WRITTEN.search(expression)
    if written is None:
        return False
    if written[3] and not _FLAGS.match(written[3]):
        return matches(expression, "", model)
    if not set(written[3]) <= _KNOWN_FLAGS:
        return False
    return matches(written[2], written[3], model)
