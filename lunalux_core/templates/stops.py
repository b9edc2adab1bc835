"""Stop strings: where a reply must end, because somebody else begins to speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.templates.template_values import Context, Expand, Instruct
from lunalux_core.templates.turn_texts import SPACES, Names, named


@dataclass(frozen=True, slots=True)
class StopWishes:
    """What the stop strings depend on beside the templates.

    Args:
        user_last: when continuing, the turn to go on with is the person's.
        own: the person's own stop strings, as they are.
    """

    impersonate: bool = False
    user_last: bool = False
    own: tuple[str, ...] = ()
    single_line: bool = False


def stop_strings(
    context: Context, instruct: Instruct | None, names: Names, wishes: StopWishes, expand: Expand
) -> tuple[str, ...]:
    """All stop strings, each once, in the order of their importance to a server that takes only a few."""
    stops: list[str] = ["\n"] if wishes.single_line or context.single_line else []
    if context.names_as_stop_strings:
        char, user = f"\n{names.char}:", f"\n{names.user}:"
        # The likelier one first; what is doubled falls out at the end.
        stops += [char if wishes.impersonate else user, user]
        if wishes.user_last:
            stops.append(char)
        stops += [f"\n{name}:" for name in names.group if name and name != names.char]
    if instruct is not None:
        stops += _sequences(instruct, names, expand)
    if context.use_stop_strings:
        written = (context.chat_start, context.example_separator)
        stops += [f"\n{expand(stop)}" for stop in written if stop]
    stops += wishes.own
    return tuple(dict.fromkeys(stop for stop in stops if stop))


def _sequences(instruct: Instruct, names: Names, expand: Expand) -> Sequence[str]:
    written = [instruct.stop_sequence]
    if instruct.sequences_as_stop_strings:
        written += [
            named(instruct.input_sequence, names.user),
            named(instruct.output_sequence, names.char),
            named(instruct.first_output_sequence, names.char),
            named(instruct.last_output_sequence, names.char),
            named(instruct.system_sequence, "System"),
            named(instruct.last_system_sequence, "System"),
        ]
    lines = dict.fromkeys(line for sequence in written for line in sequence.split("\n") if line.strip(SPACES))
    # A wrapped sequence begins a line, so the line break is part of the stop.
    wrapped = [f"\n{line}" if instruct.wrap else line for line in lines]
    return [expand(sequence) for sequence in wrapped] if instruct.macro else wrapped
