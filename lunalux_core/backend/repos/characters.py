"""Community characters: their items, publishing, edits, moderation and marks for the ranking.

A card lives in the table of its language, under `PROFILE`, older ones under "0". `Status` other than
"active" hides it from everybody; its row stays, so that its likes and counters do.

See docs/spec/backend.md: Transactions, Identity and security, Counters and ranking.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lunalux_core.backend.market.ranking_keys import (
    HOT,
    TIME,
    Order,
    dirty_key,
    hot_key,
    partition,
    shard_of,
    time_key,
)
from lunalux_core.backend.repos.market_card import (
    COUNTERS,
    VISIBLE,
    CardPlace,
    CardStatus,
    MarketCard,
    NewCard,
    card_of,
    counts,
    mended,
    no_character,
)
from lunalux_core.backend.running.backend_settings import RankingSettings, TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import LARGEST, text
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    Condition,
    ConditionFailed,
    Eq,
    Exists,
    Key,
    Operation,
    Put,
    Store,
    Update,
)
from lunalux_core.errors import BackendError
from lunalux_core.language import Language

__all__ = [
    "VISIBLE",
    "CardPlace",
    "CardStatus",
    "Characters",
    "MarketCard",
    "NewCard",
    "card_of",
    "no_character",
]

NoteHeat = Callable[[Language, str, int], Awaitable[None]]
# Cards whose place is remembered: a hot card then costs one read instead of up to four.
CACHED_PLACES = 10_000
LONGEST_ID = 256
"""Characters of an id that is looked up; ours have 36, a key of the table holds 2,048 bytes."""
TRIES = 5
REPORT = "REPORT#"


@dataclass(frozen=True, slots=True)
class Report:
    """Somebody's complaint about a card; what its row lacks is empty."""

    character_id: str
    user_id: str
    reason: str
    created_at: str


class Characters:
    """The two character tables.

    Args:
        note_heat: told of language, id and points whenever a card gained heat (RangeHeat).
    """

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        ranking: RankingSettings,
        now_ms: Callable[[], int],
        *,
        note_heat: NoteHeat | None = None,
    ) -> None:
        self._store, self._tables, self._ranking, self._now_ms = store, tables, ranking, now_ms
        self._note_heat = note_heat
        self._places: OrderedDict[str, tuple[CardPlace, bool]] = OrderedDict()

    def table(self, lang: Language) -> str:
        return self._tables.character_en if lang == "en" else self._tables.character_cn

    async def find(self, character_id: str, lang: Language = "en") -> MarketCard | None:
        """The visible card, from whichever table has it; `lang` says where to look first."""
        card = await self.find_any(character_id, lang)
        return card if card is not None and card.status == "active" else None

    async def require(self, character_id: str) -> MarketCard:
        """The visible card.

        Raises:
            NotFound: CHARACTER_NOT_FOUND.
        """
        card = await self.find(character_id)
        if card is None:
            raise no_character(character_id)
        return card

    async def find_any(self, character_id: str, lang: Language = "en") -> MarketCard | None:
        """The card whatever its status, for its owner and for operators."""
        if not 0 < len(character_id) <= LONGEST_ID:
            return None
        remembered = self._places.pop(character_id, None)
        # The remembered place first, and each place once, in the order in which most cards are found.
        places = dict.fromkeys(
            [*([remembered[0]] if remembered else ()), *self._possible(character_id, lang)]
        )
        for place in places:
            item = await self._store.get(place.table, place.key)
            if item is not None:
                self._remember(place, counts(item))
                return card_of(item, place)
        return None

    async def countable(self, character_id: str, lang: Language = "en") -> CardPlace | None:
        """Where to count what happens to a card; an older card gets its counters first."""
        remembered = self._places.get(character_id)
        if remembered is not None and remembered[1]:
            return remembered[0]
        card = await self.find(character_id, lang)
        if card is None:
            return None
        if not self._places[character_id][1]:
            await self._complete(card.place)
        return card.place

    async def moved(self, place: CardPlace) -> CardPlace | None:
        """Where a card is that was not at `place` any more (the SK migration), None if it is gone."""
        self._places.pop(place.character_id, None)
        other = await self.countable(place.character_id)
        return None if other == place else other

    def _possible(self, character_id: str, lang: Language) -> list[CardPlace]:
        pk = f"CHAR#{character_id}"
        other: Language = "zh" if lang == "en" else "en"
        return [CardPlace(self.table(each), Key(pk, sk)) for sk in ("PROFILE", "0") for each in (lang, other)]

    def _remember(self, place: CardPlace, countable: bool) -> None:
        self._places[place.character_id] = (place, countable)
        if len(self._places) > CACHED_PLACES:
            self._places.popitem(last=False)

    async def publish(self, card: NewCard, ticket: Sequence[Operation] = ()) -> MarketCard:
        """Put a new card on the market, consuming its upload `ticket` in the same transaction.

        Raises:
            BackendError: UPLOAD_NOT_FOUND, the ticket was consumed or has expired.
        """
        place = CardPlace(self.table(card.language), Key(f"CHAR#{card.id}", "PROFILE"))
        item = self._new_item(card, place.key)
        try:
            await self._store.transact([*ticket, Put(place.table, item, when=Absent())])
        except ConditionFailed as failed:
            # The operations of the ticket come first, so the index tells which of the two was refused.
            if failed.index < len(ticket):
                raise BackendError(
                    "UPLOAD_NOT_FOUND",
                    "This upload was published already, or has expired.",
                    "Upload the card again.",
                ) from None
            raise
        self._remember(place, True)
        return card_of(item, place)

    def _new_item(self, card: NewCard, key: Key) -> dict[str, Any]:
        now = self._now_ms()
        shards, shard = self._ranking.shards, shard_of(card.id, self._ranking.shards)
        item: dict[str, Any] = {
            "PK": key.pk,
            "SK": key.sk,
            "CharacterID": card.id,
            "CharacterName": card.name,
            "Language": card.language,
            "HeatScore": 0,
            "ThumbnailURL": card.thumbnail_url,
            "FullImageURL": card.image_url,
            "Intro": card.intro,
            "OwnerUserId": card.owner,
            "CreatedAt": iso(now),
            "UpdatedAt": iso(now),
            "Metadata": dict.fromkeys(COUNTERS, 0),
            "Status": "active",
            "Version": 1,
            HOT.pk: partition(HOT.all_word, shard, shards),
            HOT.sk: hot_key(0, card.id, self._ranking.max_heat),
            TIME.pk: partition(TIME.all_word, shard, shards),
            TIME.sk: time_key(now, card.id),
            **self.mark(HOT, card.id),
            **self.mark(TIME, card.id),
        }
        item |= {"Creator": card.creator} if card.creator else {}
        return item | ({"Tags": frozenset(card.tags)} if card.tags else {})

    def mark(self, order: Order, character_id: str) -> dict[str, str]:
        """The attributes that ask for a card to be ranked anew; set as defaults they keep their turn."""
        shards = self._ranking.shards
        return {
            order.dirty_pk: partition(order.dirty_word, shard_of(character_id, shards), shards),
            order.dirty_sk: dirty_key(self._now_ms(), character_id),
        }

    async def heated(self, place: CardPlace, heat: int) -> None:
        """Tell that a card has just gained `heat` points."""
        if heat and self._note_heat is not None:
            lang: Language = "en" if place.table == self._tables.character_en else "zh"
            await self._note_heat(lang, place.character_id, heat)

    async def edit(
        self,
        card: MarketCard,
        *,
        name: str | None = None,
        intro: str | None = None,
        tags: Sequence[str] | None = None,
        version: int | None = None,
    ) -> MarketCard:
        """Change what the owner may; what is None stays.

        Raises:
            BackendError: VERSION_CONFLICT, the card is not at `version` (by default: as it was read).
            NotFound: CHARACTER_NOT_FOUND.
        """
        changes: dict[str, Any] = {"UpdatedAt": iso(self._now_ms())}
        changes |= {} if name is None else {"CharacterName": name}
        changes |= {} if intro is None else {"Intro": intro}
        changes |= {"Tags": frozenset(tags)} if tags else {}
        expected = card.version if version is None else version
        # No card has such a version that an edit could count on, and the table would refuse the number.
        if not -LARGEST <= expected < LARGEST:
            raise _changed()
        changes["Version"] = expected + 1
        # Cards of before versions count as version 1.
        unversioned = [Absent("Version")] if expected == 1 else []
        update = Update(
            card.place.table,
            card.place.key,
            set=changes,
            # As defaults: a card that waits already keeps its place in the line of those to be ranked.
            set_default=self.mark(TIME, card.id) | self.mark(HOT, card.id),
            remove=("Tags",) if tags is not None and not tags else (),
            when=(VISIBLE, AnyOf(Eq("Version", expected), *unversioned)),
        )
        try:
            item = await self._store.write(update)
        except ConditionFailed as failed:
            if failed.old is None or failed.old.get("Status", "active") != "active":
                raise no_character(card.id) from None
            raise _changed() from None
        assert item is not None
        return card_of(item, card.place)

    async def set_status(self, character_id: str, status: CardStatus) -> MarketCard:
        """Show, hide or delete a card; the ranking takes it in or out at its next batch.

        Raises:
            NotFound: CHARACTER_NOT_FOUND, also for what was deleted: that cannot be undone.
        """
        card = await self.find_any(character_id)
        if card is None:
            raise no_character(character_id)
        marks = self.mark(TIME, card.id) | self.mark(HOT, card.id)
        # "deleted" is final: its owner was told so, and its pictures may be gone.
        there: Condition = All(Exists(), AnyOf(Absent("Status"), *map(_is, ("active", "hidden"))))
        try:
            item = await self._store.write(
                Update(
                    card.place.table,
                    card.place.key,
                    set={"Status": status, "StatusAt": iso(self._now_ms())},
                    set_default=marks,
                    when=there,
                )
            )
        except ConditionFailed:
            raise no_character(character_id) from None
        assert item is not None
        return card_of(item, card.place)

    async def erase(self, character_id: str, owner: str) -> MarketCard | None:
        """Delete somebody's own card with its words; returns it as it was, for its files."""
        card = await self.find_any(character_id)
        if card is None or card.owner != owner:
            return None
        await self._store.write(
            Update(
                card.place.table,
                card.place.key,
                set={"Status": "deleted", "StatusAt": iso(self._now_ms()), "CharacterName": ""},
                set_default=self.mark(TIME, card.id) | self.mark(HOT, card.id),
                remove=("Intro", "Tags", "Creator"),
                when=Exists(),
            )
        )
        return card

    async def disown(self, card: MarketCard) -> None:
        """Forget whose an erased card was; last of all, so that an interrupted erasure finds it again."""
        await self._store.write(
            Update(card.place.table, card.place.key, remove=("OwnerUserId",), when=Exists())
        )

    async def owned_by(self, user_id: str) -> AsyncIterator[str]:
        """Ids of somebody's cards; reads both markets, for operators."""
        for table in (self._tables.character_en, self._tables.character_cn):
            async for item in self._store.scan_all(table):
                if item.get("OwnerUserId") == user_id and str(item["PK"]).startswith("CHAR#"):
                    yield str(item["PK"]).removeprefix("CHAR#")

    async def report(self, character_id: str, user_id: str, reason: str) -> None:
        """Keep somebody's complaint beside the card, one for each account.

        Raises:
            NotFound: CHARACTER_NOT_FOUND.
        """
        card = await self.require(character_id)
        row = {
            "PK": card.place.key.pk,
            "SK": f"{REPORT}{user_id}",
            "userId": user_id,
            "reason": reason,
            "createdAt": iso(self._now_ms()),
        }
        await self._store.write(Put(card.place.table, row, when=None))

    async def reports(self) -> list[Report]:
        """Every complaint, newest first, for operators."""
        reports = [
            Report(
                character_id=str(item["PK"]).removeprefix("CHAR#"),
                user_id=text(item.get("userId"), str(item["SK"]).removeprefix(REPORT)),
                reason=text(item.get("reason")),
                created_at=text(item.get("createdAt")),
            )
            for table in (self._tables.character_en, self._tables.character_cn)
            async for item in self._store.scan_all(table)
            if str(item["SK"]).startswith(REPORT)
        ]
        return sorted(reports, key=lambda report: report.created_at, reverse=True)

    async def _complete(self, place: CardPlace) -> None:
        """Give a card that is older than the counters their map, with what it counted until then."""
        for _ in range(TRIES):
            item = await self._store.get(place.table, place.key)
            if item is None:
                return
            mending = mended(item)
            if mending is None:
                break
            try:
                await self._store.write(replace(mending, table=place.table))
                break
            except ConditionFailed:
                continue  # counted, or mended, meanwhile
        self._remember(place, True)


def _changed() -> BackendError:
    return BackendError(
        "VERSION_CONFLICT",
        "The character was changed meanwhile.",
        "Read it again and repeat the change.",
    )


def _is(status: str) -> Condition:
    return Eq("Status", status)
