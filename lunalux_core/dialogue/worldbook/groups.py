"""Inclusion groups (FORMATS 2.8), with the documented intent where SillyTavern has its two defects."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lunalux_core.cards.worldbook import Entry
from lunalux_core.dialogue.worldbook.timed import Key

Candidate = tuple[str, Entry]


def winners(
    candidates: list[Candidate],
    activated: Iterable[Entry],
    *,
    sticky: set[Key],
    scoring: bool,
    score: Callable[[Entry], int],
    random: Callable[[], float],
) -> tuple[list[Candidate], dict[Key, str]]:
    """Who of this pass's candidates stays, and why the others leave.

    An entry that is in several groups must win them all; every group is decided once per pass.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        for group in candidate[1].groups:
            groups.setdefault(group, []).append(candidate)
    taken = {group for entry in activated for group in entry.groups}
    lost: dict[Key, str] = {}

    def drop(losers: Iterable[Candidate], reason: str) -> None:
        for book, entry in losers:
            lost.setdefault((book, entry.uid), reason)

    for group, members in groups.items():
        held = [member for member in members if _key(member) in sticky]
        if held:
            drop((m for m in members if m not in held), "group_sticky")
            continue
        if scoring or any(entry.use_group_scoring for _, entry in members):
            scores = {_key(member): score(member[1]) for member in members}
            best = max(scores.values())
            beaten = [
                member
                for member in members
                if scores[_key(member)] < best
                and (scoring if member[1].use_group_scoring is None else member[1].use_group_scoring)
            ]
            drop(beaten, "group_score")
            members = [member for member in members if member not in beaten]
        if group in taken:
            drop(members, "group_taken")
            continue
        members = [member for member in members if _key(member) not in lost]
        if len(members) > 1:
            winner = _chosen(members, random)
            drop((m for m in members if m is not winner), "group_lost")
    return [candidate for candidate in candidates if _key(candidate) not in lost], lost


def _chosen(members: list[Candidate], random: Callable[[], float]) -> Candidate:
    preferred = [member for member in members if member[1].group_override]
    if preferred:
        return max(preferred, key=lambda member: member[1].order)
    roll = random() * sum(member[1].group_weight for member in members)
    for member in members:
        roll -= member[1].group_weight
        if roll <= 0:
            return member
    return members[-1]


def _key(candidate: Candidate) -> Key:
    return candidate[0], candidate[1].uid
