"""Counting what happens to a card: counters, heat, and the mark that has it ranked anew.

Heat is an ordinary number of the card; a batch turns it into the order of the market (`ranking`).

See docs/spec/backend.md: Counters and ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lunalux_core.backend.market.ranking_keys import HOT
from lunalux_core.backend.repos.characters import VISIBLE, CardPlace, Characters
from lunalux_core.backend.running.backend_settings import RankingSettings
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.running.environ import whole_points
from lunalux_core.backend.storage.table import Update


@dataclass(frozen=True, slots=True)
class Gain:
    """What to add to a card: counters of its `Metadata`, and heat points."""

    counters: Mapping[str, int] = field(default_factory=dict)
    heat: int = 0

    def __add__(self, other: Gain) -> Gain:
        names = {**self.counters, **other.counters}
        total = {n: self.counters.get(n, 0) + other.counters.get(n, 0) for n in names}
        return Gain(total, self.heat + other.heat)


def dialogue(ranking: RankingSettings, lux_level: int, luna_cost: int) -> Gain:
    """One official reply: a dialogue, its level's heat, and heat for the luna coins it cost."""
    heat = ranking.dialogue_heat[max(0, min(lux_level, 2))] + whole_points(
        luna_cost * ranking.luna_multiplier
    )
    counters = {"DialogueCount": 1}
    if luna_cost:
        counters["TotalLunaCoinUsed"] = luna_cost
    return Gain(counters, heat)


def counting(characters: Characters, place: CardPlace, gain: Gain, now_ms: int) -> Update:
    """The update that adds `gain` to a visible card. It never makes a card, and leaves `UpdatedAt` alone;
    no heat, no mark: there is nothing to rank anew."""
    added = {f"Metadata.{name}": count for name, count in gain.counters.items()}
    if gain.heat:
        added["HeatScore"] = gain.heat
    return Update(
        place.table,
        place.key,
        set={"CountersUpdatedAt": iso(now_ms)},
        # A mark that is there stays: its time says since when the card waits to be ranked.
        set_default=characters.mark(HOT, place.character_id) if gain.heat else {},
        incr=added,
        when=VISIBLE,
    )
