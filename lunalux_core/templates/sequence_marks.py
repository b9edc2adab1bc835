"""The sequences of a template, to tell them from the text that stands between them."""

from __future__ import annotations

import re
from dataclasses import fields

from lunalux_core.templates.template_values import Instruct

_MACRO = re.compile(r"\{\{.*?\}\}")


def sequence_marks(instruct: Instruct | None) -> tuple[str, ...]:
    """What the template puts around turns and story; around a macro the parts that stay as they are."""
    if instruct is None:
        return ()
    names = [
        field.name for field in fields(Instruct) if field.name.endswith(("_sequence", "_suffix", "_prefix"))
    ]
    parts = [part.strip() for name in names for part in _MACRO.split(getattr(instruct, name))]
    return tuple(dict.fromkeys(part for part in parts if part))
