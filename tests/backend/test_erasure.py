"""Erasing an account: nothing of the person stays, others lose nothing, a crash is made good."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, URL, Api, Person, backend, bad, card_png, good

from lunalux_core.backend.money.seed_models import SEED_MODELS
from lunalux_core.backend.running.embedded import open_embedded
from lunalux_core.backend.storage.table import Absent, Delete, Key, Put
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

PRACTICE = SEED_MODELS[1]
WISH = {"password": PASSWORD}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, seeded=False, invited_reward_star=5) as api:
        await api.services.models.put(PRACTICE)
        yield api


async def everything(api: Api) -> str:
    """All rows of all tables, as one text."""
    names = api.services.settings.tables
    rows = [
        row for name in names.__slots__ async for row in api.services.store.scan_all(getattr(names, name))
    ]
    return json.dumps(rows, default=sorted)


async def lived(api: Api) -> tuple[Person, Person, str]:
    """Somebody with a name, coins, replies, likes, uploads and two cards; and somebody else; a card's id."""
    ada, bob = await api.person(), await api.person("bob")
    good(await ada.post("/api/user/username", {"username": "Adalina"}))
    mira = await ada.publish(card_png("Mira"), intro="In her own words.", tags=["unheard"])
    await ada.publish(card_png("Nora"), language="zh")
    await ada.upload(card_png("never published"))
    theirs = await bob.publish(card_png("Otto"))
    good(await ada.submit(modelId="002"))
    good(await ada.post("/api/liked/add", {"characterId": theirs}))
    good(await bob.post("/api/liked/add", {"characterId": mira}))
    return ada, bob, mira


def files(folder: Path) -> int:
    return sum(path.is_file() and not path.name.endswith("~type") for path in folder.rglob("*"))


async def test_nothing_of_the_person_stays(api: Api, tmp_path: Path) -> None:
    ada, bob, mira = await lived(api)
    blobs = tmp_path / "backend" / "blobs"
    assert files(blobs) == 3 * 2 + 1
    bad(await ada.post("/api/user/erase", {"password": "not the one"}), 401, "BAD_CREDENTIALS")
    good(await ada.post("/api/user/erase", WISH))
    bad(await ada.get("/api/wallet/me"), 401, "UNAUTHORIZED")
    credentials = {"email": ada.email, "password": PASSWORD}
    bad(await api.http.post("/api/auth/signin", json=credentials), 401, "BAD_CREDENTIALS")
    left = await everything(api)
    for word in (ada.email, "Adalina", "adalina", "Mira", "Nora", "her own words", "unheard"):
        assert word not in left, word
    assert files(blobs) == 2  # the other one's card
    assert await api.services.users.get(ada.user_id) is None
    for sort in ("hot", "time"):
        page = good(await bob.get(f"/api/character/{sort}-first-page"))
        assert [card["name"] for card in page["characters"]] == ["Otto"]
    bad(await bob.get("/api/character/presign-original", id=mira), 404, "CHARACTER_NOT_FOUND")
    assert good(await bob.submit(modelId="002", characterId=mira))["deactivateBinding"] is True
    good(await bob.post("/api/user/username", {"username": "Adalina"}))
    assert [discrepancy async for discrepancy in api.services.sweeper.reconcile()] == []
    again = await api.person()
    assert again.user_id != ada.user_id and (await again.wallet())["starCoin"] == 100


async def test_what_another_instance_makes_for_an_erased_account_goes_too(api: Api, tmp_path: Path) -> None:
    """It may take the session for valid for some seconds more; a device that looks around then, or begins,
    brings no address back."""
    ada, _bob, _mira = await lived(api)
    patient = replace(api.services.settings, session_cache_s=3600)
    later = await open_embedded(tmp_path / "backend", patient, seeded=False, now_ms=api.clock)
    try:
        transport = StreamingASGITransport(create_app(later))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            there = Person(http, ada.user_id, ada.token, ada.email)
            good(await there.get("/api/session/validate"))
            good(await ada.post("/api/user/erase", WISH))
            bad(await there.get("/api/invite/me"), 401, "UNAUTHORIZED")
            bad(await there.post("/api/user/init", {"email": ada.email}), 401, "UNAUTHORIZED")
            good(await there.get("/api/session/validate"))  # it still does
        await later.sweep()
    finally:
        await later.aclose()
    left = await everything(api)
    assert ada.email not in left
    assert ada.user_id not in left.replace(grave(ada), "")


async def test_what_a_crash_interrupted_the_sweep_finishes(api: Api, tmp_path: Path) -> None:
    """Storage is gone after each number of writes in turn; the sweep ends what was begun."""
    for allowed in range(0, 30, 3):
        ada = await api.person(f"ada{allowed}")
        await ada.publish(card_png("Mira"))
        good(await ada.submit(modelId="002"))
        interrupted = Interrupted(api.services.store, allowed)
        erasure = api.services.erasure
        parts = [erasure, erasure._users, erasure._sessions, erasure._characters, erasure._identity]
        for part in parts:
            part._store = interrupted  # type: ignore[attr-defined]
        try:
            await erasure.erase(ada.user_id, ada.email)
        except ConnectionError:
            pass
        for part in parts:
            part._store = api.services.store  # type: ignore[attr-defined]
        if allowed:
            await api.services.sweeper.sweep()
            assert await api.services.users.get(ada.user_id) is None
            assert ada.email not in await everything(api)
            assert ada.user_id not in (await everything(api)).replace(grave(ada), "")
        assert [discrepancy async for discrepancy in api.services.sweeper.reconcile()] == []


def grave(person: Person) -> str:
    """The one row that stays, so that no token comes back to life."""
    return f'"PK": "USER#{person.user_id}", "SK": "SESSION"'


class Interrupted:
    """A real store that is gone after so many writes."""

    def __init__(self, store: Any, writes: int) -> None:
        self._store, self._left = store, writes

    def __getattr__(self, name: str) -> Any:
        if name in ("write", "transact"):
            self._left -= 1
            if self._left < 0:
                raise ConnectionError
        return getattr(self._store, name)


async def test_an_address_that_is_somebody_elses_by_now_stays_theirs(api: Api) -> None:
    old = await api.person()
    mark = {"PK": f"USER#{old.user_id}", "SK": "ERASE", "userId": old.user_id, "email": old.email}
    good(await old.post("/api/user/erase", WISH))
    new = await api.person()
    await api.services.store.write(Put(api.services.settings.tables.ledger, mark, when=Absent()))
    await api.services.sweeper.sweep()
    good(await new.get("/api/session/validate"))
    assert (await api.sign_in(new.email)).user_id == new.user_id


async def test_operators_find_cards_of_before_there_were_notes(api: Api) -> None:
    ada, _bob, mira = await lived(api)
    table = api.services.settings.tables.liked
    for row in (await api.services.store.query(table, f"USER#{ada.user_id}", prefix="OWN#")).items:
        await api.services.store.write(Delete(table, Key(row["PK"], row["SK"])))
    assert await api.services.erasure.adopt(ada.user_id) == 2
    await api.services.erasure.erase(ada.user_id, ada.email)
    card = await api.services.characters.find_any(mira)
    assert card is not None and (card.status, card.name, card.owner) == ("deleted", "", None)
