"""The same API over DynamoDB and S3, on ministack: several instances, uploads to the bucket itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from api_support import URL, Api, Clock, Person, bad, card_png, good
from storage_engines import ministack, named

from lunalux_core.backend.money.seed_models import seed_models
from lunalux_core.backend.running.aws import open_aws
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.web.app import create_app
from lunalux_core.cards.png_card import read_png
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms, short_id

pytest.importorskip("ministack")
pytestmark = pytest.mark.slow


class Now(Clock):
    """The real time: presigned addresses are checked by the emulator's own clock."""

    def __call__(self) -> int:
        return now_ms()


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("aws")) as access:
        yield access


@dataclass
class Cluster:
    """Instances that share tables and bucket and nothing else; `outside` reaches the bucket."""

    instances: list[Api]
    outside: httpx.AsyncClient

    def elsewhere(self, person: Person, instance: int) -> Person:
        return replace(person, http=self.instances[instance].http)


@pytest.fixture
async def cluster(access: AwsAccess) -> AsyncIterator[Cluster]:
    suffix = short_id()
    settings = BackendSettings(
        tables=named(suffix),
        bucket=f"cards-{suffix}",
        session_secrets=("one secret for all instances",),
        session_cache_s=0,
        rate_limits=False,
    )
    provisioner = Provisioner(access, table_specs(settings.tables, settings.indexes), settings.bucket)
    await provisioner.apply()
    await provisioner.aclose()
    async with AsyncExitStack() as stack:
        instances = []
        for _ in range(3):
            services = open_aws(settings, access=access)
            stack.push_async_callback(services.aclose)
            transport = StreamingASGITransport(create_app(services))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=URL, transport=transport))
            instances.append(Api(services, http, Now()))
        outside = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
        await seed_models(instances[0].services.store, settings.tables.model_config)
        yield Cluster(instances, outside)


async def test_publish_find_and_download_through_the_bucket(cluster: Cluster) -> None:
    one, two = cluster.instances[:2]
    ada, bob = await one.person(), await two.person("bob")
    data = card_png("Mira", width=60, height=80)
    body = {"filename": "../x.png", "size": len(data)}
    signed = good(await ada.post("/api/character/presign-upload", body))
    put = await cluster.outside.put(signed["url"], content=data, headers=signed["headers"])
    assert put.status_code == 200, put.text
    wish = {"s3Key": signed["key"], "language": "zh", "intro": "An intro.", "tags": ["海"]}
    mira = good(await ada.post("/api/character/finalize-publish", wish))["id"]
    assert good(await ada.post("/api/character/finalize-publish", wish))["id"] == mira
    await two.services.ranking.drain("zh", "time")
    await two.services.ranking.drain("zh", "hot")
    (item,) = good(await bob.get("/api/character/hot-first-page", lang="zh"))["characters"]
    assert (item["id"], item["tags"]) == (mira, ["海"])
    thumbnail = await cluster.outside.get(item["thumbnailUrl"])
    assert thumbnail.headers["content-type"] == "image/webp"
    url = good(await bob.get("/api/character/presign-original", id=mira))["url"]
    assert read_png((await cluster.outside.get(url)).content).card.name == "Mira"
    through = await bob.get("/api/character/download-original", id=mira, skipCount="1")
    assert read_png(through.content).card.name == "Mira"
    for _ in range(2):
        good(await bob.post("/api/liked/add", {"characterId": mira}))
    card = await one.services.characters.require(mira)
    assert (card.liked_count, card.download_count) == (1, 1)
    assert good(await bob.submit(modelId="003", characterId=mira))["billing"]["method"] == "star"
    assert (await one.services.characters.require(mira)).dialogue_count == 1
    bad(await one.http.get("/blobs/x?t=y"), 404, "NOT_FOUND")


async def test_a_takeover_is_seen_on_every_instance(cluster: Cluster) -> None:
    ada = await cluster.instances[0].person()
    good(await cluster.elsewhere(ada, 1).get("/api/session/validate"))
    new = await cluster.instances[2].sign_in(ada.email)
    bad(await cluster.elsewhere(ada, 1).get("/api/session/validate"), 460, "SESSION_TAKEN_OVER")
    good(await cluster.elsewhere(new, 0).get("/api/session/validate"))


async def test_a_hundred_requests_on_three_instances_share_fifty_replies(cluster: Cluster) -> None:
    ada = await cluster.instances[0].person()
    await cluster.instances[0].services.wallets.adjust(ada.user_id, "star", 150)
    calls = (cluster.elsewhere(ada, n % 3).submit(modelId="002") for n in range(100))
    answers = await asyncio.gather(*calls)
    assert {a.status_code for a in answers} <= {200, 402}
    assert sum(a.status_code == 200 for a in answers) == 50
    assert (await ada.wallet())["starCoin"] == 0
    assert await cluster.instances[1].services.sweeper.check(ada.user_id) == []


async def test_one_key_on_three_instances_pays_once(cluster: Cluster) -> None:
    ada = await cluster.instances[0].person()
    answers = await asyncio.gather(
        *(cluster.elsewhere(ada, n).submit(modelId="002", key="the-same") for n in range(3))
    )
    assert {a.status_code for a in answers} <= {200, 409}
    assert (await ada.wallet())["starCoin"] == 95


async def test_away_is_503(access: AwsAccess) -> None:
    settings = BackendSettings(session_secrets=("one secret for all instances",))
    nowhere = replace(access, endpoint="http://127.0.0.1:1")
    services = open_aws(settings, access=nowhere)
    transport = StreamingASGITransport(create_app(services))
    try:
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            away = await http.get("/ready")
            bad(away, 503, "STORE_UNAVAILABLE")
            assert int(away.headers["retry-after"]) >= 1
    finally:
        await services.aclose()


def test_without_a_shared_secret_it_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="SESSION_SECRET"):
        open_aws(BackendSettings())
    services = open_aws(BackendSettings(), data_dir=tmp_path)
    assert (tmp_path / "session.secret").is_file()
    asyncio.run(services.aclose())
