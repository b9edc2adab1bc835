"""What older rows of the price list and of coupons ask for.

See docs/spec/backend.md: Tables, Money rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lunalux_core.backend.operators.adopted_accounts import Rule
from lunalux_core.backend.operators.adoption import LOOK, Deed, number_said, shown
from lunalux_core.backend.repos.coupons import CLAIM, LONGEST, SHARD, coupon_key, coupon_of
from lunalux_core.backend.repos.models import config_of
from lunalux_core.backend.storage.foreign_values import storable, texts, unchanged
from lunalux_core.backend.storage.table import Absent, Delete, Exists, Item, Key, Put, rows_of
from lunalux_core.text import coupon_code

MODEL_NUMBERS = ("freeLevel", "starCost", "lunaCost", "sortOrder", "maxInputChars", "maxOutputTokens")
MODEL_SWITCHES = {"allowStar": "starCost", "allowLuna": "lunaCost"}
MODEL_TEXTS = ("modelId", "displayname", "modelType", "modelName")
COUPON_NUMBERS = ("amount", "rewardType", "remainingClaims")


class ModelRows(Rule):
    """Prices and levels that were written as texts; rows that nobody is shown."""

    async def deeds(self, row: Item) -> Sequence[Deed]:
        if row["SK"] != "MODEL" or not str(row["PK"]).startswith("MODEL#"):
            return ()
        changes, deeds = self._changes(row), list[Deed]()
        if changes:
            detail = ", ".join(f"{name} {shown(row.get(name))} → {value}" for name, value in changes.items())
            deeds.append(Deed("mend", detail, self.update(Key(row["PK"], row["SK"]), changes, row)))
        whole = {**row, **changes}
        own_id = str(row["PK"]).removeprefix("MODEL#")
        if whole["modelId"] != own_id:
            detail = f"nobody is shown this model, for its modelId is {shown(whole['modelId'])}"
            return [*deeds, Deed(LOOK, detail)]
        if config_of(whole) is None:
            missing = [name for name in MODEL_TEXTS if not isinstance(whole.get(name), str)]
            missing += [] if type(whole.get("freeLevel")) is int else ["freeLevel"]
            deeds.append(
                Deed(LOOK, f"nobody is shown this model, for it lacks {', '.join(missing) or 'a text'}")
            )
            return deeds
        for name in MODEL_SWITCHES.values():
            value = whole.get(name, -1)
            if type(value) is not int:
                deeds.append(Deed(LOOK, f"{name} {shown(value)} is no whole number: the coin is not taken"))
        return deeds

    @staticmethod
    def _changes(row: Item) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name in MODEL_NUMBERS:
            if name in row and type(row[name]) is not int and (said := number_said(row[name])) is not None:
                changes[name] = said
        for name in MODEL_SWITCHES:
            value = row.get(name)
            if (
                name in row
                and not isinstance(value, bool)
                and str(value).casefold() in ("true", "false", "1", "0")
            ):
                changes[name] = str(value).casefold() in ("true", "1")
        if not isinstance(row.get("modelId"), str):
            changes["modelId"] = str(row["PK"]).removeprefix("MODEL#")
        return changes


class CouponRows(Rule):
    """Codes in spellings that nobody types exactly, numbers that were written as texts, claims as a list."""

    async def deeds(self, row: Item) -> Sequence[Deed]:
        pk = str(row["PK"])
        if row["SK"] != "COUPON" or not pk.startswith("COUPON#"):
            return ()
        changes: dict[str, Any] = {}
        for name in COUPON_NUMBERS:
            if name in row and type(row[name]) is not int and (said := number_said(row[name])) is not None:
                changes[name] = said
        claimed = row.get("claimedBy")
        remove = []
        if "claimedBy" in row and not isinstance(claimed, frozenset):
            if whom := texts(claimed):
                changes["claimedBy"] = whom
            else:
                remove.append("claimedBy")
        mended = {n: v for n, v in {**row, **changes}.items() if n not in remove}
        if coupon_of(mended) is None:
            named = ", ".join(f"{name} {shown(row.get(name))}" for name in COUPON_NUMBERS)
            return [Deed(LOOK, f"nobody can claim this coupon: {named}")]
        code = pk.removeprefix("COUPON#")
        plain = coupon_code(code)
        if plain != code and 0 < len(plain) <= LONGEST:
            return await self._move(row, mended, plain)
        if code and row.get("coupon") != code:
            changes["coupon"] = code
        if not changes and not remove:
            return ()
        detail = ", ".join(f"{name} {shown(row.get(name))} → {shown(v)}" for name, v in changes.items())
        work = self.update(Key(row["PK"], row["SK"]), changes, row, remove=remove)
        return [Deed("mend", detail or "claimedBy named nobody", work)]

    async def _move(self, row: Item, mended: dict[str, Any], code: str) -> list[Deed]:
        key = coupon_key(code)
        if await self._store.get(self._table, key) is not None:
            return [Deed(LOOK, f"the coupon {shown(code)} exists besides, and people get that one")]
        shards = await self._store.query(self._table, str(row["PK"]), prefix=SHARD, limit=1)
        if shards.items:
            return [Deed(LOOK, "this coupon is split over several rows and stays as it is spelled")]

        kept = {name: storable(value) for name, value in mended.items() if storable(value) is not None}

        async def do() -> bool:
            # Claims go first: the coupon moves only if none was made since it was read, so whoever had it
            # under its old spelling cannot have it again under the new one.
            await self._copy_claims(str(row["PK"]), key.pk, code)
            as_read = [Exists(), *unchanged(row, *(n for n in row if n not in ("PK", "SK")))]
            await self._store.transact(
                [
                    Put(self._table, {**kept, "PK": key.pk, "SK": key.sk, "coupon": code}, when=Absent()),
                    Delete(self._table, Key(row["PK"], row["SK"]), when=as_read),
                ]
            )
            return True

        return [Deed("move", f"to the spelling that people's typing is brought to: {shown(code)}", do)]

    async def _copy_claims(self, old_pk: str, new_pk: str, code: str) -> None:
        async for claim in rows_of(self._store, self._table, old_pk, prefix=CLAIM):
            await self._store.write(Put(self._table, {**claim, "PK": new_pk, "coupon": code}))
