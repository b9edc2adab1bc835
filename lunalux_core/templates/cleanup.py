"""What is left of a reply: no stop strings, no leaked sequences, nobody else's words.

A reply is never cleaned away: where nothing would be left, it stays as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lunalux_core.templates.story_string import collapsed
from lunalux_core.templates.template_values import Instruct
from lunalux_core.templates.turn_texts import SPACES, Names

_BLANKS = "".join(space for space in SPACES if space not in "\r\n")
_LINE_ENDS = re.compile(rf"[{_BLANKS}]+(?=[\r\n\u2028\u2029]|\Z)")
_END_OF_TEXT = "<|endoftext|>"
_MARKED = re.compile(r"([*_]{1,2})(.*?)\1", re.DOTALL)
_BESIDE_MARK = re.compile(
    "([*_])[\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff]+"
    "|[\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff]+([*_])"
)
_ENDS_SENTENCE = frozenset('.!?*")}`]$。！？”）】’」_')
_EMOJI = re.compile(
    "[\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3"
    "\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685"
    "\u2690-\u2705\u2708-\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e"
    "\u2753-\u2755\u2757\u2763-\u2767\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c"
    "\u2b50\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001f0ff\U0001f10d-\U0001f10f\U0001f12f"
    "\U0001f16c-\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a\U0001f1ad-\U0001f20f"
    "\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f23c-\U0001f23f\U0001f249-\U0001f53d"
    "\U0001f546-\U0001f64f\U0001f680-\U0001f6ff\U0001f774-\U0001f77f\U0001f7d5-\U0001f7ff"
    "\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f\U0001f888-\U0001f88f"
    "\U0001f8ae-\U0001f8ff\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001faff"
    "\U0001fc00-\U0001fffd]"
)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """How replies of one turn are cleaned.

    Args:
        start: what the reply was begun with, where that is part of it.
        own_names: take the writer's own name from the beginning of lines.
        others_names: cut where the other side begins to speak.
        fix_marks: take blanks from the inner side of `*` and `_`.
    """

    names: Names
    stops: tuple[str, ...] = ()
    instruct: Instruct | None = None
    impersonate: bool = False
    start: str = ""
    own_names: bool = True
    others_names: bool = True
    char_lines: bool = True
    group_lines: bool = True
    trim: bool = True
    whole_sentences: bool = False
    collapse: bool = False
    fix_marks: bool = True


@dataclass(frozen=True, slots=True)
class CleanedReply:
    """A reply that was cleaned; `kept` says that cleaning would have left nothing, so it was not done."""

    text: str
    kept: bool = False


def clean_reply(reply: str, how: Cleaning) -> CleanedReply:
    """Clean a whole reply."""
    if not reply:
        return CleanedReply("")
    text = _cleaned(how.start + reply, how)
    if text.strip(SPACES):
        return CleanedReply(text)
    rest = reply.strip(SPACES) if how.trim else reply
    return CleanedReply(rest, kept=bool(rest)) if rest else CleanedReply(reply, kept=True)


def _cleaned(text: str, how: Cleaning) -> str:
    text = without_stop(text, how.stops)
    if how.collapse:
        text = collapsed(text)
    text = _LINE_ENDS.sub("", text)
    text = _without_others(text, how)
    text = text.partition(_END_OF_TEXT)[0]
    text = _without_sequences(text, how)
    if how.names.group and how.group_lines:
        for name in how.names.group:
            if name and name != how.names.char:
                text = _before_speaker(text, name)
    if how.char_lines and how.names.char:
        text = re.sub(rf"(\A|\n){re.escape(how.names.char)}:[{SPACES}]*", r"\1", text)
    if how.impersonate:
        text = text.strip(SPACES)
    if how.fix_marks:
        text = _MARKED.sub(lambda match: _BESIDE_MARK.sub(r"\1\2", match[0]), text)
    own = how.names.user if how.impersonate else how.names.char
    if how.own_names and own and text.startswith(f"{own}:"):
        text = text.removeprefix(f"{own}:").lstrip(SPACES)
    if how.impersonate:
        text = text.strip(SPACES)
    if how.whole_sentences:
        text = to_sentence_end(text)
    return text.strip(SPACES) if how.trim else text


def without_stop(text: str, stops: tuple[str, ...]) -> str:
    """The text without a stop string, or the beginning of one, at its end. One visible character alone is
    no sign of a stop string: too many sentences end so.
    """
    for stop in stops:
        # The longest first: a whole stop string before a mere beginning of it.
        for length in range(min(len(stop), len(text)), 0, -1):
            begun = stop[:length]
            if text.endswith(begun):
                if length > 1 or length == len(stop) or begun in SPACES:
                    text = text[:-length]
                break
    return text


def _without_others(text: str, how: Cleaning) -> str:
    """Cut where the wrong side begins to speak."""
    other = how.names.char if how.impersonate else how.names.user
    if not how.others_names or not other:
        return text
    return "" if text.startswith(f"{other}:") else text.partition(f"\n{other}:")[0]


def _before_speaker(text: str, name: str) -> str:
    match = re.search(rf"(?:\A|\n){re.escape(name)}:", text)
    return text[: match.start()] if match else text


def _without_sequences(text: str, how: Cleaning) -> str:
    instruct = how.instruct
    if instruct is None:
        return text
    if instruct.stop_sequence:
        text = text.partition(instruct.stop_sequence)[0]
    if instruct.input_sequence.strip(SPACES):
        text = text.partition(instruct.input_sequence)[0]
    if instruct.sequences_as_stop_strings:
        leaking = (instruct.output_sequence, instruct.last_output_sequence)
        for sequence in (instruct.input_sequence,) if how.impersonate else leaking:
            for line in sequence.split("\n"):
                if line.strip(SPACES):
                    # A sequence of the speaker's own is only taken out; what stands behind it is still the
                    # reply.
                    text = text.replace(line, "")
    return text


def to_sentence_end(text: str) -> str:
    """The text up to the end of its last whole sentence; all of it where none ends."""
    for place in range(len(text) - 1, -1, -1):
        sign = text[place]
        emoji = _EMOJI.match(sign) is not None
        if emoji or sign in _ENDS_SENTENCE:
            # a quotation mark or star after a blank opens something: what was before it is the end
            opens = not emoji and place > 0 and text[place - 1] in SPACES
            return text[: place if opens else place + 1].rstrip(SPACES)
    return text.rstrip(SPACES)
