"""Coupons: claim and credit in one transaction, once for each account.

A second claim is refused like any other coupon that cannot be had; a retry of the first one,
told by its idempotency key, gets the first one's answer for a day.

The claims of a big campaign are split over shards: rows `COUPON#{code}` / `SHARD#{nn}` with claims of
their own, so that claims at the same moment seldom meet in one item. The documented row then says how many
shards there are, and has no claims itself.

See docs/spec/backend.md: HTTP API, Transactions, Money rules.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lunalux_core.backend.money.billing import Currency
from lunalux_core.backend.repos.ledger import Ledgers
from lunalux_core.backend.repos.movements import gain, move_key
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import from_iso, iso
from lunalux_core.backend.storage.foreign_values import is_whole, text, texts, unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Ge,
    Item,
    Key,
    NotInSet,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
    rows_of,
)
from lunalux_core.errors import BackendError, InvalidInput, NotFound
from lunalux_core.text import coupon_code

REWARDS: tuple[Currency, ...] = ("star", "luna")
"""Coins by the number in `rewardType`."""
REPLAY_MS = 24 * 3600 * 1000
LONGEST = 128
TRIES = 5
MOST = 1_000_000_000
"""Coins of a new coupon, and its claims: a wallet has room for millions of such coupons."""
MOST_SHARDS = 64
BIG_CAMPAIGN = 5000
"""Claims from which on a coupon is split."""
CLAIMS_A_SHARD = 1000


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a coupon gave."""

    currency: Currency
    amount: int


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon. `remaining` None means that one person may claim it, once. `shards` is how many rows its
    claims are split over, 0 for the documented row alone."""

    code: str
    currency: Currency
    amount: int
    remaining: int | None
    shards: int = 0


@dataclass(frozen=True, slots=True)
class IssuedCoupon:
    """A coupon as operators see it. `coupon` is None for a row that nobody can claim; `left` is how many
    claims are left over all its rows, `claimed` how many accounts had it."""

    code: str
    coupon: Coupon | None
    issued: int | None
    left: int
    claimed: int
    updated_at: str


class Coupons:
    """The coupon table."""

    def __init__(self, store: Store, tables: TableNames, ledgers: Ledgers, now_ms: Callable[[], int]) -> None:
        self._store, self._tables, self._ledgers, self._now_ms = store, tables, ledgers, now_ms

    async def redeem(self, user_id: str, code: str, key: str | None = None) -> Redemption:
        """Claim a coupon.

        Args:
            key: the request's idempotency key; the same account's retry with it within a day gets the same
                answer and no more coins.

        Raises:
            BackendError: COUPON_INVALID_OR_USED, alike for unknown, exhausted and claimed ones.
            NotFound: WALLET_NOT_FOUND. InvalidInput: INVALID_REQUEST, more than a wallet holds; the coupon
            stays as it is.
        """
        code, coupon_row = await self._spelled(code)
        for turn in range(TRIES):
            # Read again after each lost race: amount and claims may be other ones by now.
            item = coupon_row if turn == 0 else await self._store.get(self._tables.coupons, coupon_key(code))
            coupon = coupon_of(item)
            # Told before anything is written; the conditions of the transaction say it again for claims at
            # the same moment.
            if item is None or coupon is None or user_id in texts(item.get("claimedBy")):
                return await self._again(user_id, code, key)
            row = item if not coupon.shards else await self._shard(user_id, coupon)
            if row is None:
                return await self._again(user_id, code, key)
            try:
                await self._store.transact(self._claim(user_id, coupon, row, key))
                return Redemption(coupon.currency, coupon.amount)
            except ConditionFailed as failed:
                if failed.index == MOVE_AT or failed.index == CLAIM_AT:
                    return await self._again(user_id, code, key)
                if failed.index == COUPON_AT and not coupon.shards and _exhausted(failed.old, user_id):
                    raise _refused() from None
                if failed.index in (WALLET_AT, LEDGER_AT):
                    await self._ledgers.refused(user_id, failed, WALLET_AT)
        raise Unavailable("The coupon is claimed by too many at once.")

    async def _spelled(self, typed: str) -> tuple[str, Item | None]:
        """The code that is meant, and its row: as we issue codes, else as it was typed, which may be how
        somebody wrote it in the console. Raises BackendError for what can be no code."""
        spellings = [code for code in dict.fromkeys((coupon_code(typed), typed.strip())) if _is_code(code)]
        if not spellings:
            raise _refused()
        for code in spellings:
            item = await self._store.get(self._tables.coupons, coupon_key(code))
            if item is not None:
                return code, item
        return spellings[0], None

    async def _shard(self, user_id: str, coupon: Coupon) -> Item | None:
        """A row of a split coupon that has claims left: this account's own, else the next that has."""
        page = await self._store.query(
            self._tables.coupons, coupon_key(coupon.code).pk, prefix=SHARD, limit=MOST_SHARDS
        )
        first = shard_of(user_id, coupon.shards)
        # From an account's own place on, round the others: accounts at the same moment meet in few rows.
        rows = [*page.items[first:], *page.items[:first]]
        return next(
            (row for row in rows if (current := coupon_of(row)) and (current.remaining or 0) > 0), None
        )

    def _claim(self, user_id: str, coupon: Coupon, row: Item, idempotency: str | None) -> list[Operation]:
        """Movement, wallet, ledger, line; then the row with the claims as it was read, and the claim."""
        now = self._now_ms()
        table, key = self._tables.coupons, Key(row["PK"], row["SK"])
        as_read: list[Condition] = [
            *unchanged(row, "amount", "rewardType"),
            NotInSet("claimedBy", user_id),  # claims that are older than the CLAIM# rows
        ]
        if "remainingClaims" not in row:
            # For one claim in all: the row goes with it, so a second claim finds none.
            spent: Operation = Delete(table, key, when=(*as_read, Absent("remainingClaims")))
        else:
            spent = Update(
                table,
                key,
                set={"updatedAt": iso(now)},
                incr={"remainingClaims": -1},
                when=(*as_read, Ge("remainingClaims", 1)),
            )
        claim = {
            "PK": key.pk,
            "SK": f"{CLAIM}{user_id}",
            "userId": user_id,
            "coupon": coupon.code,
            "createdAt": iso(now),
        }
        return [
            *gain(
                self._tables,
                user_id,
                operation=_operation(coupon.code),
                kind="coupon",
                currency=coupon.currency,
                amount=coupon.amount,
                now_ms=now,
                more={} if idempotency is None else {"idempotencyKey": idempotency},
            ),
            spent,
            Put(table, claim, when=Absent()),
        ]

    async def _again(self, user_id: str, code: str, key: str | None) -> Redemption:
        """The answer of the same request's claim, made within the last day."""
        if key is None:
            raise _refused()
        row = await self._store.get(self._tables.ledger, move_key(user_id, _operation(code)))
        claimed = from_iso(row.get("createdAt")) if row is not None else None
        if row is None or claimed is None or row.get("idempotencyKey") != key:
            raise _refused()
        if self._now_ms() - claimed >= REPLAY_MS:
            raise _refused()
        amount = whole(row.get("amount"))
        if row.get("currency") not in REWARDS or amount <= 0:
            raise _refused()
        return Redemption(row["currency"], amount)

    async def create(
        self,
        code: str,
        currency: Currency,
        amount: int,
        claims: int | None = None,
        *,
        shards: int | None = None,
    ) -> Coupon:
        """Issue a coupon, for operators.

        Args:
            claims: how many accounts may claim it, once each; None makes a coupon for one claim.
            shards: over how many rows the claims are split, 0 for none; chosen by the number of claims if
                None.

        Raises:
            InvalidInput: INVALID_REQUEST, or COUPON_EXISTS where the code was issued before.
        """
        code = coupon_code(code)  # as it is folded when redeemed: another spelling could never be claimed
        if not _is_code(code):
            raise InvalidInput(
                "INVALID_REQUEST",
                f"A coupon code has 1 to {LONGEST} printable characters.",
                kind="coupon_code",
                most=LONGEST,
            )
        if not 0 < amount <= MOST or (claims is not None and not 0 < claims <= MOST):
            raise InvalidInput(
                "INVALID_REQUEST",
                f"Amount and claims are whole numbers from 1 to {MOST}.",
                kind="coupon_numbers",
                most=MOST,
            )
        if shards is None:
            shards = shards_for(claims)
        if shards and not 0 < shards <= min(MOST_SHARDS, claims or 0):
            raise InvalidInput("INVALID_REQUEST", f"A coupon has at most {MOST_SHARDS} shards of its claims.")
        coupon = Coupon(code, currency, amount, claims, shards)
        try:
            await self._store.transact(self._issue(coupon))
        except ConditionFailed:
            raise InvalidInput(
                "COUPON_EXISTS", f"The coupon {code} exists already.", "Choose another code.", coupon=code
            ) from None
        return coupon

    async def all(self) -> list[IssuedCoupon]:
        """Every coupon with its claims, by code, for operators; reads the whole table. Of codes that were for
        one claim and had it only the claim is left."""
        families: dict[str, list[Item]] = {}
        async for row in self._store.scan_all(self._tables.coupons):
            pk = str(row["PK"])
            if pk.startswith("COUPON#"):
                families.setdefault(pk.removeprefix("COUPON#"), []).append(row)
        return [_issued(code, families[code]) for code in sorted(families)]

    async def issued(self, code: str) -> IssuedCoupon:
        """One coupon with its claims, for operators.

        Raises:
            NotFound: COUPON_NOT_FOUND.
        """
        for spelling in dict.fromkeys((code, code.strip(), coupon_code(code))):
            if _is_code(spelling) and (rows := await self._family(spelling)):
                return _issued(spelling, rows)
        raise no_coupon(code)

    async def claims(self, code: str) -> list[tuple[str, str]]:
        """Who had a coupon and when (ISO), oldest first; for operators."""
        rows = [row for row in await self._family(code) if str(row["SK"]).startswith(CLAIM)]
        claims = [(str(row["SK"]).removeprefix(CLAIM), text(row.get("createdAt"))) for row in rows]
        return sorted(claims, key=lambda claim: claim[1])

    async def revoke(self, code: str) -> bool:
        """Take a coupon back, so that nobody can claim it any more; False where nothing was left to take.

        Claims stay: whoever had it keeps the coins, and does not get them again should the code return.
        """
        rows = [row for row in await self._family(code) if not str(row["SK"]).startswith(CLAIM)]
        writes = [Delete(self._tables.coupons, Key(row["PK"], row["SK"]), when=None) for row in rows]
        if writes:
            await self._store.transact(writes)
        return bool(writes)

    async def _family(self, code: str) -> list[Item]:
        """Every row of a coupon."""
        return [row async for row in rows_of(self._store, self._tables.coupons, coupon_key(code).pk)]

    def _issue(self, coupon: Coupon) -> list[Operation]:
        key = coupon_key(coupon.code)
        item: dict[str, object] = {
            "PK": key.pk,
            "SK": key.sk,
            "coupon": coupon.code,
            "rewardType": REWARDS.index(coupon.currency),
            "amount": coupon.amount,
            "updatedAt": iso(self._now_ms()),
        }
        if coupon.remaining is not None:
            item["remainingClaims"] = 0 if coupon.shards else coupon.remaining
        if coupon.shards:
            item["shards"] = coupon.shards
            item["claims"] = coupon.remaining  # as issued, for people: the shards know what is left
        rows = [item]
        for number in range(coupon.shards):
            # The first rows take what does not divide evenly.
            left = (coupon.remaining or 0) // coupon.shards + (
                number < (coupon.remaining or 0) % coupon.shards
            )
            shard = {name: value for name, value in item.items() if name not in ("shards", "claims")}
            rows.append({**shard, "SK": f"{SHARD}{number:02d}", "remainingClaims": left})
        return [Put(self._tables.coupons, row, when=Absent()) for row in rows]


SHARD, CLAIM = "SHARD#", "CLAIM#"
MOVE_AT, WALLET_AT, LEDGER_AT, COUPON_AT, CLAIM_AT = 0, 1, 2, 4, 5


def coupon_key(code: str) -> Key:
    return Key(f"COUPON#{code}", "COUPON")


def coupon_of(item: Item | None) -> Coupon | None:
    """The coupon in an item; None for one that could not be credited: no whole amount above zero."""
    if item is None:
        return None
    amount, reward, remaining = item.get("amount"), item.get("rewardType"), item.get("remainingClaims")
    shards = item.get("shards", 0)
    if not is_whole(amount) or amount <= 0 or type(reward) is not int or reward not in (0, 1):
        return None
    if "remainingClaims" in item and not is_whole(remaining):
        return None
    split = shards if type(shards) is int and 0 < shards <= MOST_SHARDS else 0
    return Coupon(str(item["PK"]).removeprefix("COUPON#"), REWARDS[reward], amount, remaining, split)


def _issued(code: str, rows: Sequence[Item]) -> IssuedCoupon:
    by_sk = {str(row["SK"]): row for row in rows}
    main = by_sk.get("COUPON")
    coupon = coupon_of(main)
    shards = [coupon_of(row) for sk, row in by_sk.items() if sk.startswith(SHARD)]
    claimed = {sk.removeprefix(CLAIM) for sk in by_sk if sk.startswith(CLAIM)}
    claimed |= texts(main.get("claimedBy")) if main is not None else frozenset()
    left, issued = 0, None
    if coupon is not None:
        left = 1 if coupon.remaining is None else max(0, coupon.remaining)
        if coupon.shards:
            left = sum(max(0, shard.remaining or 0) for shard in shards if shard is not None)
        issued = 1 if coupon.remaining is None else left + len(claimed)
    return IssuedCoupon(code, coupon, issued, left, len(claimed), text((main or {}).get("updatedAt")))


def no_coupon(code: str) -> NotFound:
    return NotFound(
        "COUPON_NOT_FOUND",
        f"There is no coupon {code[:LONGEST]}.",
        "Look at `lunalux admin coupon list`.",
        name=code[:LONGEST],
    )


def shards_for(claims: int | None) -> int:
    """How many rows a coupon of so many claims is split over: none unless it is a big campaign."""
    return 0 if claims is None or claims < BIG_CAMPAIGN else min(MOST_SHARDS, claims // CLAIMS_A_SHARD)


def shard_of(user_id: str, shards: int) -> int:
    """Where an account looks first, so that accounts at the same moment look in different places."""
    return zlib.crc32(user_id.encode()) % shards


def _exhausted(old: Item | None, user_id: str) -> bool:
    """Whether the coupon as it stands can never be claimed by this account; else it was edited meanwhile."""
    coupon = coupon_of(old)
    if old is None or coupon is None:
        return True
    return user_id in texts(old.get("claimedBy")) or (coupon.remaining is not None and coupon.remaining < 1)


def _is_code(code: str) -> bool:
    return 0 < len(code) <= LONGEST and code.isprintable()


def _operation(code: str) -> str:
    return f"coupon/{code}"


def _refused() -> BackendError:
    return BackendError(
        "COUPON_INVALID_OR_USED",
        "This coupon is not valid, or was used already.",
        "Check how it is written.",
    )
