"""What operators run at night: give back lost reservations, count what was left over, check the books.

Everything here reads whole tables, slowly; nobody's request does.

See docs/spec/backend.md: Money rules.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from lunalux_core.backend.accounts.erasure import Erasure
from lunalux_core.backend.market.ranking import ODD
from lunalux_core.backend.market.reply_counts import Dialogues
from lunalux_core.backend.market.uploads import Uploads
from lunalux_core.backend.money.billing import CURRENCIES, Currency
from lunalux_core.backend.money.money import Money
from lunalux_core.backend.repos.ledger import Ledgers, ledger_of
from lunalux_core.backend.repos.movements import (
    ERASE,
    MOVE,
    OPEN,
    ledger_key,
    wallet_key,
)
from lunalux_core.backend.repos.wallets import wallet_of
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.foreign_values import whole
from lunalux_core.backend.storage.lease import LAST_RUN, Lease, last_run
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Eq,
    Invalid,
    Item,
    Key,
    Store,
    Update,
)
from lunalux_core.errors import LunaluxError, StorageError

SWEEP = Key("LEASE#SWEEP", "LEASE")
"""The row of the ledger table that says who sweeps, and when that was last done."""
LEASE_MS = 600_000
LAST_WHOLE = "lastWholeMs"
WHOLE_EVERY_MS = 24 * 3600 * 1000
"""How often a round reads the whole ledger; the others follow the index of what is under way."""
LOOKS = 5
TOO_MANY_TROUBLES = 20


@dataclass(slots=True)
class SweepResult:
    """What a sweep did: reservations given back, replies counted, stored answers dropped, uploads that nobody
    published taken away, and rows that it had to pass over."""

    refunded: int = 0
    counted: int = 0
    forgotten: int = 0
    uploads: int = 0
    passed_over: int = 0

    def figures(self) -> dict[str, int]:
        """For the log."""
        return {
            "refunded": self.refunded,
            "counted": self.counted,
            "dropped": self.forgotten,
            "uploads": self.uploads,
            "passedOver": self.passed_over,
        }


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """An account whose books disagree. None stands for a missing ledger."""

    user_id: str
    currency: Currency
    balance: int
    ledger: int | None
    movements: int


class Sweeper:
    """The nightly round over the ledger table."""

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        money: Money,
        ledgers: Ledgers,
        dialogues: Dialogues,
        now_ms: Callable[[], int],
        erasure: Erasure | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self._uploads = uploads
        self._store, self._tables, self._money, self._erasure = store, tables, money, erasure
        self._ledgers, self._dialogues, self._now_ms = ledgers, dialogues, now_ms

    async def sweep_if_due(self, gap_s: float) -> SweepResult | None:
        """One round for all instances: None where one of them swept within `gap_s`, or is at it.

        A process that dies in its round leaves it to the next one, after ten minutes.

        Raises:
            StorageError: the storage is away.
        """
        lease, now = Lease(self._store, self._tables.ledger, SWEEP, self._now_ms, LEASE_MS), self._now_ms()
        row = await lease.row()
        if 0 <= now - last_run(row) < gap_s * 1000 or not await lease.take():
            return None
        noted: dict[str, int] = {}
        everything = not 0 <= now - whole(row.get(LAST_WHOLE)) < WHOLE_EVERY_MS
        try:
            swept = await (self.sweep() if everything else self.sweep_open())
            noted = dict.fromkeys((LAST_RUN, LAST_WHOLE) if everything else (LAST_RUN,), self._now_ms())
        finally:
            await lease.leave(noted)
        return swept

    async def sweep_open(self) -> SweepResult:
        """A round over what is under way alone: reservations, erasures, uploads. Where the index of it is
        missing it is a whole one.

        Raises:
            StorageError: the storage is away.
        """
        try:
            keys = [Key(row["PK"], row["SK"]) for row in await self._ledgers.open_rows()]
        except (Invalid, StorageError) as error:
            logger.warning("the ledger is swept as a whole: %s", error)
            return await self.sweep()
        swept = SweepResult()
        await self._each(self._rows(keys), self._ledger_row, swept)
        if self._uploads is not None:
            await self._each(self._uploads.ended(), self._upload, swept)
        return swept

    async def _rows(self, keys: Sequence[Key]) -> AsyncIterator[Item]:
        """The rows that are still there: an index may be behind."""
        for key in keys:
            row = await self._store.get(self._tables.ledger, key)
            if row is not None:
                yield row

    async def sweep(self) -> SweepResult:
        """One round. Running it twice at once, or in two places, does no harm.

        A row that cannot be processed is logged and passed over.

        Raises:
            StorageError: the storage is away.
        """
        swept = SweepResult()
        await self._each(self._store.scan_all(self._tables.ledger), self._ledger_row, swept)
        if self._uploads is not None:
            await self._each(self._uploads.ended(), self._upload, swept)
        return swept

    @staticmethod
    async def _each(
        rows: AsyncIterator[Item], deal: Callable[[Item, SweepResult], Awaitable[None]], swept: SweepResult
    ) -> None:
        troubles = 0  # one after the other
        async for row in rows:
            try:
                await deal(row, swept)
                troubles = 0
            except (LunaluxError, *ODD) as error:
                swept.passed_over += 1
                logger.warning("a row was passed over: %s", error, extra={"pk": row["PK"], "sk": row["SK"]})
                troubles += isinstance(error, StorageError)
                # So many in a row mean that the storage is away, and the rest of the table would only fill
                # the log.
                if troubles >= TOO_MANY_TROUBLES:
                    raise

    async def _ledger_row(self, row: Item, swept: SweepResult) -> None:
        sk = str(row["SK"])
        if sk.startswith(OPEN):
            swept.refunded += await self._money.sweep_row(row)
        elif sk == ERASE and self._erasure is not None:
            await self._erasure.finish(row)
        elif sk.startswith(MOVE) and row.get("status") == "SETTLED":
            if row.get("counted") is False and "characterId" in row:
                swept.counted += await self._dialogues.count_row(row)
            swept.forgotten += await self._forget(row)

    async def _upload(self, note: Item, swept: SweepResult) -> None:
        assert self._uploads is not None
        swept.uploads += await self._uploads.take_away(note)

    async def _forget(self, row: Item) -> bool:
        """Drop a stored answer that is no longer replayed."""
        if "response" not in row or self._now_ms() // 1000 < whole(row.get("expiresAt")):
            return False
        drop = Update(
            self._tables.ledger,
            Key(row["PK"], row["SK"]),
            remove=("response",),
            # An update makes a row that is not there: one that was erased meanwhile must not come back.
            when=Eq("status", "SETTLED"),
        )
        try:
            await self._store.write(drop)
        except ConditionFailed:
            return False
        return True

    async def reconcile(self) -> AsyncIterator[Discrepancy]:
        """Every account whose balance is not its gains less its uses, or not the sum of its movements."""
        async for item in self._store.scan_all(self._tables.wallet):
            if item["SK"] != "WALLET":
                continue
            for discrepancy in await self.check(str(item["PK"]).removeprefix("USER#")):
                yield discrepancy

    async def check(self, user_id: str) -> list[Discrepancy]:
        """One account's discrepancies. The three are read one after the other, so an account that moves
        meanwhile is looked at again; only what stays is reported."""
        discrepancies: list[Discrepancy] = []
        for _ in range(LOOKS):
            before = await self._store.get(self._tables.wallet, wallet_key(user_id))
            if before is None:
                return []
            discrepancies = await self._compare(user_id, before)
            # Wallet, ledger and movements are three reads. If the wallet is another one now, the account
            # moved between them and nothing is proved.
            if not discrepancies or before == await self._store.get(self._tables.wallet, wallet_key(user_id)):
                break
        return discrepancies

    async def _compare(self, user_id: str, item: Item) -> list[Discrepancy]:
        wallet = wallet_of(item)
        summary = await self._store.get(self._tables.ledger, ledger_key(user_id))
        ledger = None if summary is None else ledger_of(summary)
        sums = await self._ledgers.movement_sums(user_id)
        discrepancies = []
        for currency in CURRENCIES:
            balance = wallet.balance(currency)
            total = None if ledger is None else ledger.balance(currency)
            if not (balance == total == sums[currency]) or balance < 0:
                discrepancies.append(Discrepancy(user_id, currency, balance, total, sums[currency]))
        return discrepancies
