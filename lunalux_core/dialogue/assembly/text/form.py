"""What a request needs beside the text: where the reply ends, and how it is cleaned."""

from __future__ import annotations

import re
from dataclasses import fields

from lunalux_core.dialogue.assembly.prompt import TextForm
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.cleanup import Cleaning
from lunalux_core.templates.stops import StopWishes, stop_strings
from lunalux_core.templates.template_values import Instruct


def text_form(source: TextSource) -> TextForm:
    """The form of a request with this text."""
    template, context, instruct = source.template, source.context, source.instruct
    stop = _stops(source)
    start = template.start
    beginning = source.reply_start() if start is not None and start.show else ""
    cleaning = Cleaning(
        source.names,
        stop,
        instruct,
        source.impersonates,
        start=beginning,
        whole_sentences=context.trim_sentences,
    )
    sampler, reasoning = template.sampler, template.reasoning
    return TextForm(
        template.name,
        stop,
        cleaning,
        sampler.values if sampler is not None else {},
        (reasoning.prefix, reasoning.suffix) if reasoning is not None else ("", ""),
        sequence_marks(instruct),
    )


def _stops(source: TextSource) -> tuple[str, ...]:
    history = source.material.history
    user_last = source.wishes.user_last
    if user_last is None:
        user_last = bool(history) and history[-1].role == "user"
    wishes = StopWishes(
        source.impersonates,
        source.continues and user_last,
        source.wishes.own_stops,
        source.wishes.single_line,
    )
    return stop_strings(source.context, source.instruct, source.names, wishes, source.expand)


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
