"""Replays scenarios of groups (`lunalux group test --scenarios`): members and a chat, who speaks next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_object, as_text
from lunalux_core.groups.turn_order import (
    Dice,
    GroupMember,
    LastSpoken,
    choose_speakers,
    shuffled,
    talkativeness,
)
from lunalux_core.library.groups import TURN_ORDERS, TurnOrder
from lunalux_core.scenarios.case import cases, draws, listed


def replay(document: object) -> list[list[str]]:
    """The names of those who speak, for each scenario.

    A scenario holds `order`, `members` (`name`, `talkativeness`, `muted`), `history` (`name`, `is_user`,
    `mes`, and `is_system` or `narrator`), `input`, `is_user_input` (false: nobody typed, `input` is ignored),
    `allow_self_responses`, `type` and `random`: the numbers that are drawn, used again from the first.
    """
    return [_replay_one(scenario) for scenario in cases(document)]


def _replay_one(scenario: Mapping[str, Any]) -> list[str]:
    members = [as_object(member) for member in listed(scenario.get("members"))]
    history = [as_object(message) for message in listed(scenario.get("history"))]
    names = [as_text(member.get("name")) for member in members]
    dice = _dice(scenario.get("random"))
    if scenario.get("type") == "quiet":
        return (_going_on(names, history, dice, hidden=True) or names)[:1]
    if scenario.get("type") in {"swipe", "continue"}:
        return _going_on(names, history, dice, hidden=False)
    if scenario.get("type") == "impersonate":
        # SillyTavern draws any member, muted or not, whose card then stands beside the person's own line.
        return [names[int(dice() * len(names))]] if names else []
    candidates = [
        GroupMember(str(place), (name,), talkativeness(member), as_flag(member.get("muted")))
        for place, (name, member) in enumerate(zip(names, members, strict=True))
    ]
    order: TurnOrder = next((order for order in TURN_ORDERS if order == scenario.get("order")), "natural")
    chosen = choose_speakers(order, candidates, _occasion(scenario, names, history), dice)
    return [names[int(place)] for place in chosen]


def _occasion(scenario: Mapping[str, Any], names: list[str], history: list[Mapping[str, Any]]) -> LastSpoken:
    typed = as_text(scenario.get("input")) if scenario.get("is_user_input", True) is not False else ""
    last = history[-1] if history else {}
    spoken = []
    # Only what was said since the person spoke: an order that gives everybody a turn begins anew there.
    for message in reversed(history):
        if as_flag(message.get("is_user")):
            break
        if not as_flag(message.get("is_system")) and not as_flag(message.get("narrator")):
            spoken += [str(names.index(name)) for name in (as_text(message.get("name")),) if name in names]
    return LastSpoken(
        said=typed or ("" if as_flag(last.get("is_system")) else as_text(last.get("mes"))),
        by_person=bool(typed),
        last="" if as_flag(last.get("is_user")) else as_text(last.get("name")),
        spoken=tuple(spoken),
        self_responses=as_flag(scenario.get("allow_self_responses")),
    )


def _going_on(names: list[str], history: list[Mapping[str, Any]], dice: Dice, *, hidden: bool) -> list[str]:
    """Whose turn a swipe or a continuation is, as SillyTavern chooses: who spoke last, and where that was the
    person, a narrator or (unless these count) a hidden line, before it the one who spoke earlier, or anybody.

    Args:
        hidden: hidden lines count as spoken.
    """
    if not history:
        return []
    last = as_text(history[-1].get("name"))
    chosen = []
    if _passed_over(history[-1], hidden):
        before = (
            as_text(message.get("name"))
            for message in reversed(history)
            if not _passed_over(message, hidden) and message.get("name") in names
        )
        chosen = [next(before, "") or shuffled(names, dice)[0]] if names else []
    return [*chosen, last] if last in names else chosen


def _passed_over(message: Mapping[str, Any], hidden: bool) -> bool:
    told = as_flag(message.get("narrator")) or as_object(message.get("extra")).get("type") == "narrator"
    return told or as_flag(message.get("is_user")) or (not hidden and as_flag(message.get("is_system")))


def _dice(numbers: object) -> Dice:
    """Draws below 1, as they are multiplied by a number of members and cut to a place among them."""
    drawn = draws(numbers)
    return lambda: min(max(next(drawn), 0.0), 1.0 - 1e-12)
