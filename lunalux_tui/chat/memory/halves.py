"""A memory's words parted in two, as a proposal that the person corrects."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lunalux_core.library.memories import Memory

# Quotation marks and brackets that close after a full stop belong to its sentence.
_END = re.compile(r"[.!?…]+[\"'”’)]*\s+|[。！？]+[”’」』）]*|\n+")


def halves(memory: Memory, covered: Sequence[str], at: str) -> tuple[str, str]:
    """The words for the messages before `at`, and for those from it on: by the messages that its sentences
    come from where these are known, else at the end of the sentence that is nearest to the same share of the
    text.
    """
    cut = _by_sources(memory, covered, at)
    if cut is None:
        share = covered.index(at) / len(covered)
        ends = [match.end() for match in _END.finditer(memory.text) if match.end() < len(memory.text)]
        wanted = share * len(memory.text)
        cut = min(ends, key=lambda end: abs(end - wanted)) if ends else len(memory.text)
    return memory.text[:cut].strip(), memory.text[cut:].strip()


def _by_sources(memory: Memory, covered: Sequence[str], at: str) -> int | None:
    """Where the first sentence begins that comes from the second half alone."""
    place = {message_id: number for number, message_id in enumerate(covered)}
    border = place[at]
    for source in memory.sources:
        sentence, messages = str(source.get("sentence", "")), source.get("messages") or ()
        numbers = [place[message_id] for message_id in messages if message_id in place]
        if sentence and numbers and min(numbers) >= border:
            start = memory.text.find(sentence)
            return start if start > 0 else None
    return None
