"""Processes that are to die: each runs one scenario on a store and ends without a word at one of its writes.

`python money_doomed.py` reads a line for each: [FOLDER, SCENARIO, WRITE, "before" | "after"] dies
at that write, counted from 0; [FOLDER, "busy"] charges until it is killed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doomed import Doomed, Steps, fork_for_each_line
from money_world import EITHER, STAR, TABLES, World

from lunalux_core.backend.money.money import Action
from lunalux_core.backend.repos.activity import Activity
from lunalux_core.backend.repos.characters import Characters, NewCard
from lunalux_core.backend.repos.coupons import Coupons
from lunalux_core.backend.repos.invites import Rewards
from lunalux_core.backend.repos.movements import ledger_key, wallet_key
from lunalux_core.backend.running.backend_settings import RankingSettings
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Exists, Update
from lunalux_core.ids import uuid4

REWARDS = Rewards(invitee_star=7, threshold=1, milestone_star=11)


async def submit(w: World) -> None:
    await w.spend(STAR, uuid4())


async def submit_in_vain(w: World) -> None:
    await w.money.refund(await w.reserve(EITHER, uuid4()))


async def coupon(w: World) -> None:
    await Coupons(w.store, TABLES, w.ledgers, w.now).redeem("ada", "ONCE", "the-key")


async def publish(w: World) -> None:
    characters = Characters(w.store, TABLES, RankingSettings(), w.now)
    likes = Activity(w.store, TABLES, characters, RankingSettings(), w.now)
    ticket = await likes.open_ticket("ada", "upload", "originals/upload.png", 10, None, 600)
    card = NewCard("card", "Mira", "en", "s3://b/t", "s3://b/o", "Keeps a lighthouse.", (), "ada")
    await characters.publish(card, likes.consume(ticket))


async def invite(w: World) -> None:
    """Bob arrives by Ada's code: his account, then what the invitation brings both."""
    code = (await w.invites.require("ada")).invite_code
    await w.account("bob", code)


async def milestone(w: World) -> None:
    await w.invites.settle("ada")


async def naive(w: World) -> None:
    """How not to do it: the wallet first, then the ledger."""
    await w.store.write(Update(TABLES.wallet, wallet_key("ada"), incr={"starCoin": -5}, when=Exists()))
    await w.store.write(
        Update(TABLES.ledger, ledger_key("ada"), incr={"totalStarCoinUsed": 5}, when=Exists())
    )


async def busy(w: World) -> None:
    print("ready", flush=True)  # noqa: T201 (the parent waits for it)
    while True:
        name = uuid4()
        made = await w.money.reserve(Action("ada", name, "hash"), EITHER)
        await (w.money.settle(made, {"content": name}) if name < "8" else w.money.refund(made))  # type: ignore[arg-type]
        await w.wallets.adjust("ada", "star", 8)


SCENARIOS = {
    each.__name__: each for each in (submit, submit_in_vain, coupon, publish, invite, milestone, naive, busy)
}


async def main(folder: str, scenario: str, write: str = "-1", when: str = "before") -> None:
    plain = SqliteStore(Path(folder) / "service.db", table_specs())
    store: Any = Doomed(plain, Steps(int(write), when == "after"), ("write", "transact"))
    await SCENARIOS[scenario](World(store, REWARDS))


if __name__ == "__main__":
    fork_for_each_line(main)
