"""The whole way of a person against `lunalux serve` in a process of its own, over files and over DynamoDB
and S3 (an emulator on loopback)."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_backend import Served, device, serve

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.dialogue.turn import Billed, TurnOptions
from lunalux_core.errors import BackendError, NotFound, SessionError
from lunalux_core.library.market_cache import Filters, MarketCard
from lunalux_core.runtime import Runtime

PASSWORD = "a long enough passphrase 7"
ALL = Filters("include")
SOON = {"BATCH_WINDOW_MS_EN": "100", "TIME_BATCH_WINDOW_MS_EN": "100"}


def engines() -> Any:
    path = Path(__file__).resolve().parents[1] / "backend" / "storage_engines.py"
    spec = importlib.util.spec_from_file_location("storage_engines", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["embedded", pytest.param("aws", marks=pytest.mark.slow)])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    if request.param == "embedded":
        yield from serve(tmp_path / "server", INVITE_REWARD_THRESHOLD="1", INVITE_MILESTONE_REWARD_STAR="30")
        return
    pytest.importorskip("ministack")
    (tmp_path / "aws").mkdir()
    with engines().ministack(tmp_path / "aws") as access:
        for name, value in {
            "LUNALUX_STORAGE": "aws",
            "AWS_ENDPOINT_URL": access.endpoint,
            "AWS_ACCESS_KEY_ID": access.access_key,
            "AWS_SECRET_ACCESS_KEY": access.secret_key,
            "SESSION_SECRET": "a long random text, the same on every instance",
        }.items():
            monkeypatch.setenv(name, value)
        running = serve(
            tmp_path / "server", INVITE_REWARD_THRESHOLD="1", INVITE_MILESTONE_REWARD_STAR="30", **SOON
        )
        provisioner = Served(0, tmp_path / "server", None, [])  # type: ignore[arg-type]
        provisioner.admin("provision")
        price = ("--name", "Star", "--type", "practice", "--model", "practice", "--star-cost", "5")
        provisioner.admin("model", "put", "002", *price)
        for server in running:
            monkeypatch.delenv("LUNALUX_STORAGE")  # the person's own program goes over HTTP
            yield server
            monkeypatch.setenv("LUNALUX_STORAGE", "aws")


async def listed(runtime: Runtime, identity: str) -> MarketCard:
    """The card among the new ones; over DynamoDB the ranking's next batch puts it there."""
    async with asyncio.timeout(60):
        while True:
            await runtime.market.refresh("en", "new", force=True)
            try:
                return await runtime.market.card(identity)
            except NotFound:
                await asyncio.sleep(0.5)


async def test_the_whole_way(
    served: Served, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        device(tmp_path / "author", served.url) as author,
        device(tmp_path / "reader", served.url) as reader,
    ):
        await author.account.sign_up("author@example.org", PASSWORD)
        await author.account.set_username("Author_1")
        code = str(author.account.state.invite["inviteCode"])
        await reader.account.sign_up("reader@example.org", PASSWORD, code)
        with pytest.raises(BackendError) as taken:
            await reader.account.set_username("author_1")
        assert taken.value.code == "USERNAME_TAKEN"
        await reader.account.set_username("Reader_1")

        png = export_card(Card.new("Mirelle", first_mes="I am Mirelle.", creator="Ines"), "png")
        identity = await author.market.publish(png, "m.png", "en", "She keeps the light.", tags=("harbour",))
        card = await listed(reader, identity)
        assert (card.name, card.creator, card.tags) == ("Mirelle", "Ines", ("harbour",))
        assert (await reader.market.thumbnail(card))[:4] == b"RIFF"
        assert [one.id for one in await reader.market.search("ines", "en", "new", ALL)] == [identity]
        assert await reader.market.like(identity)
        result = await reader.market.download(identity)
        assert (await reader.library.characters.get(result.id)).binding == {
            "active": True,
            "characterId": identity,
        }

        place = await reader.chat.open(result.id)
        events = [e async for e in reader.chat.send(place.id, "Hello", TurnOptions(model="official:002"))]
        assert [(e.method, e.cost) for e in events if isinstance(e, Billed)] == [("star", 5)]
        before = reader.account.state.star
        assert before == (await reader.client.wallet.balance()).wallet.star_coin
        movements, _ = await reader.account.wallet.history()
        assert [movement["kind"] for movement in movements if movement["kind"] == "charge"] == ["charge"]

        assert (await author.account.refresh()).invite["totalInvites"] == 1
        await author.account.wallet.settle_invites()  # paid out here, or by the refresh that found it due
        assert author.account.state.star == 130

        environment = request.node.callspec.params["served"]
        if environment == "aws":
            monkeypatch.setenv("LUNALUX_STORAGE", "aws")
        coupon = served.coupon("HARBOUR-50", 50, "star")
        monkeypatch.delenv("LUNALUX_STORAGE", raising=False)
        assert await reader.account.wallet.redeem(f" {coupon.replace('5', '５')} ") == ("star", 50)
        assert (
            reader.account.state.star
            == before + 50
            == (await reader.client.wallet.balance()).wallet.star_coin
        )

    async with (
        device(tmp_path / "other", served.url) as other,
        device(tmp_path / "reader", served.url) as reader,
    ):
        await other.account.sign_in("reader@example.org", PASSWORD)
        assert other.account.state.star == before + 50 and identity in other.account.state.liked
        with pytest.raises(SessionError) as displaced:
            await reader.account.refresh()
        assert displaced.value.code == "SESSION_TAKEN_OVER"
        assert reader.account.state.status == "taken_over" and reader.account.state.star == before + 50
        assert await reader.library.characters.by_market_id(identity) is not None
