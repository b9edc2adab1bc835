"""Whole services in processes that are to die: the real gateway, publishing, coupons and invitations.

`python service_doomed.py` reads a line for each: [FOLDER, "set_up"] makes the accounts that the others use;
[FOLDER, SCENARIO, STEP, "before" | "after", SEED] dies at that step, counted from 0; [FOLDER, "busy", SEED]
does everything at once until it is killed.

A step is a write of rows or of an object. Without its death a scenario tells on stdout how many it had; busy
tells what it has delivered: a line for each answer that reached somebody.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

from api_support import card_png
from doomed import Doomed, Steps, fork_for_each_line

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.accounts.sessions import Session
from lunalux_core.backend.market.publishing import Publishing, PublishingWish
from lunalux_core.backend.money.gateway import Gateway, GatewayRequest
from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.running.backend_settings import BackendSettings, RankingSettings
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import now_ms
from lunalux_core.wire.official import SubmitRequest, SubmitResponse

THRESHOLD, INVITEE, MILESTONE, COUPON = 2, 7, 11, 13
SETTINGS = BackendSettings(
    ranking=RankingSettings(dialogue_heat=(3, 3, 3), like_heat=2),
    invited_reward_star=INVITEE,
    invite_threshold=THRESHOLD,
    invite_milestone_star=MILESTONE,
    invites_per_day=100_000,
)
PEOPLE = ("ada", "bob", "eve")
CARD = "10000000-0000-4000-8000-000000000001"
PLENTY = 10**6


def open_service(folder: Path, steps: Steps | None = None, now: Any = now_ms) -> Services:
    signer = Signer(["a secret of this test"])
    store: Any = SqliteStore(folder / "backend.db", table_specs())
    blobs: Any = FileBlobs(folder / "blobs", signer, now_s=lambda: now() // 1000)
    if steps is not None:
        store = Doomed(store, steps, ("write", "transact"))
        blobs = Doomed(blobs, steps, ("put", "delete"))
    identity = LocalIdentity(store, SETTINGS.tables.user, require_confirmation=False, now_ms=now)
    return assemble(SETTINGS, store, blobs, identity, signer, rank_on_request=False, now_ms=now)


async def set_up(services: Services, _name: str) -> None:
    await seed_models(services.store, SETTINGS.tables.model_config)
    for person in PEOPLE:
        await services.users.init(person, f"{person}@example.org")
        await services.wallets.adjust(person, "star", PLENTY)
    await services.coupons.create("MANY", "star", COUPON, PLENTY, shards=3)
    await services.coupons.create("ONCE", "luna", COUPON)


async def submit(services: Services, name: str, user: str = "ada", model: str = "002") -> None:
    """Through the real gateway, bound to a card where there is one."""
    card = await services.characters.find(CARD)
    body = SubmitRequest(model_id=model, user_message="Hello.", character_id=None if card is None else CARD)
    asked = GatewayRequest(Session(user, "s", 1, f"{user}@example.org"), body, name, "local", False)
    async for event in Gateway(services).reply(asked):
        if isinstance(event, SubmitResponse):
            say("charge", user, name)


async def submit_in_vain(services: Services, name: str) -> None:
    """The client leaves as soon as the coins are set aside."""
    asked = GatewayRequest(
        Session("ada", "s", 1, "ada@example.org"),
        SubmitRequest(model_id="002", user_message="Hello."),
        name,
        "local",
        True,
    )
    events = Gateway(services).reply(asked)
    await anext(events)
    await events.aclose()


async def coupon(services: Services, name: str, user: str = "ada", code: str = "MANY") -> None:
    await services.coupons.redeem(user, code, name)
    say("coupon", user, code)


async def one_coupon(services: Services, name: str) -> None:
    await coupon(services, name, "ada", "ONCE")


async def invite(services: Services, name: str) -> None:
    code = (await services.invites.require("ada")).invite_code
    await services.users.init(f"guest-{name}", f"guest-{name}@example.org", code)
    say("invite", f"guest-{name}", code)


async def milestone(services: Services, name: str) -> None:
    for number in range(THRESHOLD):
        await invite(services, f"{name}-{number}")
    say("milestone", "ada", str((await services.invites.settle("ada")).times))


async def publish(services: Services, name: str, user: str = "bob") -> None:
    publishing = Publishing(services, user)
    ticket = await publishing.store(card_png(f"Mira {name}"))
    say("upload", user, ticket.key)
    say("publish", user, await publishing.publish(PublishingWish(ticket.key, "en", "An intro.", None, ())))


async def charge_and_forget(services: Services, name: str) -> None:
    """A control: coins taken without a row that says so, as if nothing could happen before the answer."""
    await services.wallets.adjust("ada", "star", -5, operation=name)
    await services.store.write(_nothing(name))
    say("charge", "ada", name)


def _nothing(name: str) -> Any:
    from lunalux_core.backend.storage.table import Put

    return Put(SETTINGS.tables.liked, {"PK": "USER#nobody", "SK": name})


SCENARIOS = {
    each.__name__: each
    for each in (
        *(set_up, submit, submit_in_vain, coupon, one_coupon, invite, milestone, publish),
        charge_and_forget,
    )
}


async def busy(services: Services, seed: int, publisher: str) -> None:
    chance = random.Random(seed)

    async def always(number: int) -> None:
        while True:
            name = f"{seed}-{number}-{chance.randrange(10**12)}"
            kind = chance.choice(
                ["submit", "submit", "submit_in_vain", "coupon", "invite", "settle", "publish"]
            )
            try:
                if kind == "submit":
                    await submit(services, name, chance.choice(PEOPLE), chance.choice(["001", "002", "003"]))
                elif kind == "coupon":
                    code = f"C{name}"
                    await services.coupons.create(code, "star", COUPON, 2)
                    await coupon(services, name, chance.choice(PEOPLE), code)
                elif kind == "settle":
                    await services.invites.settle("ada")
                elif kind == "publish":
                    await publish(services, name, publisher)
                else:
                    await SCENARIOS[kind](services, name)
            except LunaluxError as error:
                say("refused", kind, error.code)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(always(number))


def say(*words: str) -> None:
    print(*words, flush=True)  # noqa: T201 (the parent reads it)


async def main(folder: str, scenario: str, step: str = "-1", when: str = "before", seed: str = "0") -> None:
    if scenario == "busy":
        services = open_service(Path(folder))
        # Uploads that nobody finishes are counted against who began them, so each life has its own publisher.
        publisher = f"publisher-{step}"
        await services.users.init(publisher, f"{publisher}@example.org")
        # What reads strangers' pictures starts with the first of them, which may take longer than a life.
        await publish(services, f"{step}-first", publisher)
        say("ready")
        await busy(services, int(step), publisher)
    steps = Steps(int(step), when == "after")
    services = open_service(Path(folder), steps)
    await SCENARIOS[scenario](services, seed)
    say("steps", str(steps.seen))
    await services.aclose()


if __name__ == "__main__":
    os.environ.setdefault("LUNALUX_PRACTICE_RATE", "100000")
    fork_for_each_line(main)
