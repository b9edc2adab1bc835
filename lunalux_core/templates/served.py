"""The chat template of a server, found by what it makes of a small conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from lunalux_core.llm.model import Message
from lunalux_core.templates.template_values import Instruct
from lunalux_core.templates.turn_texts import LastLine, Names, TextTurn, format_last_line, format_turn

SERVED = "server"
"""What a template is called that was read off a server."""

_MARKS = ("Lighthouse zero", "Lighthouse one", "Lighthouse two", "Lighthouse three")
_NAMES = Names("user", "assistant")
_ENDS_TURN = re.compile(r"(?:<[^<>]*(?:end|eot|eos|/)[^<>]*>|\[/[^\[\]]*\])\s*", re.IGNORECASE)
"""A mark that ends a turn, so that it belongs to the one before."""


def probe() -> tuple[Message, ...]:
    """The conversation to ask a server about."""
    roles = ("system", "user", "assistant", "user")
    return tuple(Message(role, text) for role, text in zip(roles, _MARKS, strict=True))  # type: ignore[arg-type]


def recognised(rendered: str, instructs: Iterable[Instruct]) -> Instruct | None:
    """The template that makes the same of the conversation: a known one, else one read off the text.

    Args:
        rendered: what the server made of `probe`, up to where the reply begins.
    """
    for instruct in instructs:
        if _without_start(produced(instruct)) == _without_start(rendered):
            return instruct
    return derived(rendered)


def produced(instruct: Instruct) -> str:
    """What a template makes of `probe`."""

    def plain(text: str) -> str:
        return text

    story = instruct.story_string_prefix + _MARKS[0] + instruct.story_string_suffix
    turns = [
        TextTurn("user", _MARKS[1], "user"),
        TextTurn("assistant", _MARKS[2], "assistant"),
        TextTurn("user", _MARKS[3], "user"),
    ]
    text = "".join(format_turn(turn, instruct, _NAMES, plain) for turn in turns)
    return story + text + format_last_line("assistant", LastLine(), instruct, _NAMES, plain)


def derived(rendered: str) -> Instruct | None:
    """A template read off what a server made of `probe`; None where the parts cannot be told apart, as in
    formats that put the system prompt into the person's first turn.
    """
    parts = []
    rest = rendered
    for mark in _MARKS:
        before, hit, rest = rest.partition(mark)
        if not hit:
            return None
        parts.append(before)
    before_system, before_user, before_reply, before_next = parts
    user = _common_end(before_user, before_next)
    reply = _common_end(before_reply, rest)
    if not user.strip() or not reply.strip():
        return None
    reply_end = before_next.removesuffix(user)
    system_end = before_user.removesuffix(user)
    # Without an end of its own, a reply ends where the person's next turn would begin.
    stop = reply_end.strip() or user.strip()
    return Instruct(
        name=SERVED,
        story_string_prefix=before_system,
        story_string_suffix=system_end,
        system_sequence=_without_start(before_system),
        system_suffix=system_end,
        input_sequence=user,
        input_suffix=before_reply.removesuffix(reply),
        output_sequence=reply,
        output_suffix=reply_end,
        last_output_sequence=rest.removeprefix(before_reply.removesuffix(reply)),
        stop_sequence=stop,
        wrap=False,
    )


def _common_end(text: str, other: str) -> str:
    """The longest end of both, begun where the mark that begins a turn does."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(text), reversed(other), strict=False))
    common = "".join(sign for sign, _ in same)[::-1]
    begin = re.search(r"[<\[#]", common) or re.search(r"\S", common)
    common = common[begin.start() :] if begin else ""
    while end := _ENDS_TURN.match(common):
        common = common[end.end() :]
    return common


def _without_start(text: str) -> str:
    """Without the token that begins a text, which servers add or leave out."""
    return re.sub(
        r"\A(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>|<BOS_TOKEN>|<｜begin▁of▁sentence｜>)", "", text
    )
