"""One instruction and its material as one text, for a model of text completion that is asked for a task."""

from __future__ import annotations

from lunalux_core.templates.stops import StopWishes, stop_strings
from lunalux_core.templates.template_values import Context, Instruct
from lunalux_core.templates.turn_texts import LastLine, Names, TextTurn, format_last_line, format_turn

_NAMES = Names("User", "Assistant")
_PLAIN_STOPS = ("### Instruction", "### Input", "### Response")


def request_text(
    instruct: Instruct | None, system: str, material: str, begin: str = ""
) -> tuple[str, tuple[str, ...]]:
    """The text that ends where the answer begins, and the strings that end the answer.

    Args:
        instruct: how the model was taught to tell turns apart; None takes a plain form that most understand.
        begin: what the answer begins with.
    """
    if instruct is None:
        text = f"### Instruction:\n{system}\n\n### Input:\n{material}\n\n### Response:\n{begin}"
        return text, _PLAIN_STOPS
    story = system + "\n\n"
    if instruct.story_string_prefix:
        story = instruct.story_string_prefix + ("\n" if instruct.wrap else "") + system
        story += instruct.story_string_suffix
    turn = format_turn(TextTurn("user", material), instruct, _NAMES, _as_it_is, "last")
    last = format_last_line("", LastLine(), instruct, _NAMES, _as_it_is)
    # The names are ours: an answer may well hold a line that begins with one of them.
    context = Context(names_as_stop_strings=False)
    return story + turn + last + begin, stop_strings(context, instruct, _NAMES, StopWishes(), _as_it_is)


def _as_it_is(text: str) -> str:
    return text
