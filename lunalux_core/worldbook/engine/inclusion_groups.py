"""Inclusion groups.

Two defects of SillyTavern are not repeated: an activated entry of several groups closes each of them, and
an entry that loses in several groups is removed once, and no other entry with it.

See docs/spec/formats.md: Inclusion groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from lunalux_core.worldbook.engine.candidates import Candidate
from lunalux_core.worldbook.entry_fields import javascript_order

Members = list[Candidate]


def losers(
    taken: Sequence[Candidate],
    closed: Collection[str],
    *,
    sticky: Callable[[Candidate], bool],
    scoring: bool,
    score: Callable[[Candidate], int],
    random: Callable[[], float],
) -> dict[int, str]:
    """Which of this pass's entries are removed, by place, and why.

    Every group is decided for itself: an entry that has lost one may still win another.

    Args:
        closed: groups that have an activated entry.
        scoring: whether groups are scored where entries do not say so themselves.
    """
    grouped: dict[str, Members] = {}
    for candidate in taken:
        for name in candidate.entry.groups:
            grouped.setdefault(name, []).append(candidate)
    lost: dict[int, str] = {}

    def leave(members: Sequence[Candidate], reason: str) -> None:
        for member in members:
            lost.setdefault(member.place, reason)

    # Groups are decided in the order of a JavaScript object's members (whole numbers first), since each
    # winner takes a number of the dice.
    in_order = javascript_order(grouped.items())
    has_sticky = {name: any(map(sticky, members)) for name, members in in_order}
    for name, members in in_order:
        if has_sticky[name]:
            leave([member for member in members if not sticky(member)], "group_sticky")
        elif scoring or any(member.entry.use_group_scoring for member in members):
            beaten = _beaten(members, scoring, score)
            leave(beaten, "group_score")
            gone = {member.place for member in beaten}
            # In place: the lists are shared with `grouped`, and the second round must not see who was
            # beaten.
            members[:] = [member for member in members if member.place not in gone]
    for name, members in in_order:
        if has_sticky[name]:
            continue
        if name in closed:
            leave(members, "group_taken")
        elif len(members) > 1:
            winner = _winner(members, random)
            leave([member for member in members if member is not winner], "group_lost")
    return lost


def _beaten(members: Members, scoring: bool, score: Callable[[Candidate], int]) -> Members:
    """Members with less than the best score, among those that are scored at all."""
    scores = [score(member) for member in members]
    best = max(scores)
    return [
        candidate
        for candidate, reached in zip(members, scores, strict=True)
        if reached < best
        and (scoring if candidate.entry.use_group_scoring is None else candidate.entry.use_group_scoring)
    ]


def _winner(members: Members, random: Callable[[], float]) -> Candidate:
    """The preferred member of the highest order, else one drawn by weight."""
    preferred = [member for member in members if member.entry.group_override]
    if preferred:
        return max(preferred, key=lambda candidate: candidate.entry.order)
    roll = random() * sum(member.entry.group_weight for member in members)
    reached: float = 0
    for member in members:
        reached += member.entry.group_weight
        # `<=`, as in SillyTavern: a roll of exactly 0 goes to the first member even if it weighs nothing.
        if roll <= reached:
            return member
    # Reached only where the sum was rounded.
    return members[-1]
