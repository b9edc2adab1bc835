"""The community market over HTTP: publish, pages, downloads, likes, edits."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_support import Api, Person, backend, bad, card_png, chunk, good
from PIL import Image

from lunalux_core.backend.market.wire_pages import object_key
from lunalux_core.backend.running.backend_settings import BackendSettings, RankingSettings
from lunalux_core.backend.running.signatures import Cursor
from lunalux_core.backend.storage.table import Put
from lunalux_core.cards.png_card import read_png
from lunalux_core.errors import LunaluxError
from lunalux_core.starter import cards, market_cards

HEAT = RankingSettings(like_heat=10, download_heat=1, hot_top_limit=4, time_top_limit=4, hot_top_buffer=6)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, BackendSettings(ranking=HEAT), seeded=False) as api:
        yield api


async def names(person: Person, page: str, **query: Any) -> list[str]:
    answer = good(await person.get(f"/api/character/{page}", **query))
    return [c["name"] for c in answer["characters"]]


async def like(person: Person, card: str) -> None:
    good(await person.post("/api/liked/add", {"characterId": card}))


async def test_publish_find_download_like(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    extra = chunk(b"eXIf", b"MM\0* where I live")
    original = card_png("Mira", extra, width=90, height=120) + b"PK\x03\x04 appended"
    mira = await ada.publish(original, tags=["sea", "mystery", "sea"], intro="  Keeps a light\x1b[31mhouse. ")
    page = good(await bob.get("/api/character/time-first-page", lang="en"))
    (item,) = page["characters"]
    assert item == {
        "id": mira,
        "name": "Mira",
        "thumbnailUrl": item["thumbnailUrl"],
        "language": "en",
        "likedCount": 0,
        "downloadCount": 0,
        "totalCoinUsed": 0,
        "intro": "Keeps a lighthouse.",
        "tags": ["mystery", "sea"],
    }
    assert page["cacheTtlMillis"] == 600_000 and "nextKey" not in page
    thumbnail = await api.http.get(item["thumbnailUrl"])
    assert thumbnail.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(thumbnail.content)) as made:
        assert made.size == (400, 400)
    unchanged = await api.http.get(item["thumbnailUrl"], headers={"if-none-match": thumbnail.headers["etag"]})
    assert unchanged.status_code == 304 and not unchanged.content
    url = good(await bob.get("/api/character/presign-original", id=mira))["url"]
    file = await api.http.get(url)
    assert file.headers["content-type"] == "image/png"
    assert file.headers["content-disposition"] == f'attachment; filename="{mira}.png"'
    assert file.headers["x-content-type-options"] == "nosniff"
    assert b"where I live" not in file.content and b"appended" not in file.content
    assert read_png(file.content).card.name == "Mira"
    with Image.open(io.BytesIO(file.content)) as picture:
        assert picture.size == (90, 120)
    through = await bob.get("/api/character/download-original", id=mira)
    assert through.content == file.content
    await like(bob, mira)
    await like(bob, mira)
    assert good(await bob.get("/api/liked/me"))["characterIds"] == [mira]
    assert good(await ada.get("/api/liked/me"))["characterIds"] == []
    (item,) = good(await bob.get("/api/character/list", lang="en"))["characters"]
    assert (item["likedCount"], item["downloadCount"]) == (1, 1)
    assert await names(bob, "hot-first-page", lang="zh") == []


async def test_both_languages_and_the_default(api: Api) -> None:
    ada = await api.person()
    await ada.publish(card_png("Mira"))
    await ada.publish(card_png("林"), language="zh", name="晚灯")
    assert await names(ada, "hot-first-page") == ["Mira"]
    assert await names(ada, "time-first-page", lang="zh") == ["晚灯"]
    bad(await ada.get("/api/character/list", lang="fr"), 400, "INVALID_REQUEST")
    bad(await ada.post("/api/character/hot-more", {"lang": "fr"}), 400, "INVALID_REQUEST")


async def walk(person: Person, sort: str, limit: int | None = None) -> list[str]:
    """Every page from first to last."""
    query = {"lang": "en", **({"limit": limit} if limit else {})}
    page = good(await person.get(f"/api/character/{sort}-first-page", **query))
    found = [c["name"] for c in page["characters"]]
    while key := page.get("nextKey"):
        body = {"lang": "en", "exclusiveStartKey": key, "limit": limit}
        page = good(await person.post(f"/api/character/{sort}-more", body))
        found += [c["name"] for c in page["characters"]]
    return found


async def test_pages_follow_each_other_by_heat_and_by_time(api: Api) -> None:
    ada, bob, eve = await api.person(), await api.person("bob"), await api.person("eve")
    ids = []
    for number in range(9):
        api.clock.forward(1)
        ids.append(await ada.publish(card_png(f"c{number}")))
    for person, liked in ((bob, (3, 7, 5)), (eve, (7,))):
        for number in liked:
            await like(person, ids[number])
    api.clock.forward(10)
    newest = [f"c{number}" for number in reversed(range(9))]
    assert await walk(ada, "time") == newest
    assert await walk(ada, "time", limit=2) == newest
    hottest = await walk(ada, "hot", limit=3)
    assert hottest[0] == "c7" and set(hottest[1:3]) == {"c3", "c5"} and sorted(hottest) == sorted(newest)
    assert hottest == await walk(ada, "hot")
    assert len(await names(ada, "hot-first-page", limit=1000)) == 4
    assert len(await names(ada, "hot-first-page", limit=-1)) == 1
    first = good(await ada.post("/api/character/time-more", {"lang": "en"}))
    assert [c["name"] for c in first["characters"]] == newest[:4]


async def test_cursors_are_this_servers_and_this_listings(api: Api) -> None:
    ada = await api.person()
    for number in range(6):
        await ada.publish(card_png(f"c{number}"))
    key = good(await ada.get("/api/character/hot-first-page", lang="en"))["nextKey"]

    async def more(cursor: str, sort: str = "hot", lang: str = "en") -> Any:
        return await ada.post(f"/api/character/{sort}-more", {"lang": lang, "exclusiveStartKey": cursor})

    good(await more(key))
    forged = Cursor("hot", "en", ["NEGHEAT#0", "USER#x", "WALLET"], 2**40)
    from lunalux_core.backend.running.signatures import Signer

    for wrong in (
        key[:-1],
        key[1:],
        "x" + key,
        "",
        "a.b",
        "ALL#HOT",
        forged.seal(Signer(["not the server's secret"])),
        ada.token,
    ):
        bad(await more(wrong), 400, "INVALID_REQUEST")
    bad(await more(key, sort="time"), 400, "INVALID_REQUEST")
    bad(await more(key, lang="zh"), 400, "INVALID_REQUEST")
    bad(await more("x" * 5000), 400, "INVALID_REQUEST")
    api.clock.forward(8 * 86_400)
    bad(await more(key), 400, "INVALID_REQUEST")


async def test_a_download_counts_once_a_day_never_ones_own_and_less_on_request(api: Api) -> None:
    ada, bob, eve = await api.person(), await api.person("bob"), await api.person("eve")
    mira = await ada.publish()

    async def count() -> int:
        return (await api.services.characters.require(mira)).download_count

    for _ in range(3):
        good(await bob.get("/api/character/presign-original", id=mira))
    good(await ada.get("/api/character/presign-original", id=mira))
    good(await eve.get("/api/character/presign-original", id=mira, skipCount="1"))
    assert await count() == 1
    api.clock.forward(25 * 3600)
    assert (await bob.get("/api/character/download-original", id=mira)).status_code == 200
    assert await count() == 2
    assert (await api.services.characters.require(mira)).heat == 2


async def test_unknown_characters_are_404(api: Api) -> None:
    ada = await api.person()
    unknown = "00000000-0000-4000-8000-000000000000"
    bad(await ada.post("/api/liked/add", {"characterId": unknown}), 404, "CHARACTER_NOT_FOUND")
    bad(await ada.get("/api/character/presign-original", id=unknown), 404, "CHARACTER_NOT_FOUND")
    bad(await ada.get("/api/character/download-original", id=unknown), 404, "CHARACTER_NOT_FOUND")
    report = {"characterId": unknown, "reason": "x"}
    bad(await ada.post("/api/character/report", report), 404, "CHARACTER_NOT_FOUND")
    bad(await ada.http.delete(f"/api/character/{unknown}", headers=ada.headers), 404, "CHARACTER_NOT_FOUND")
    for strange in ("a/b", "a#b", "", "x" * 200, "ü"):
        bad(await ada.post("/api/liked/add", {"characterId": strange}), 400, "INVALID_REQUEST")
    assert [row async for row in api.services.store.scan_all("character_table_EN")] == []


async def test_the_owner_edits_and_nobody_else(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    mira = await ada.publish(tags=["sea"])

    async def patch(person: Person, **body: Any) -> Any:
        return await person.http.patch(f"/api/character/{mira}", json=body, headers=person.headers)

    bad(await patch(bob, name="Mine"), 403, "FORBIDDEN")
    bad(await patch(ada, intro=" \u202e "), 400, "INTRO_REQUIRED")
    bad(await patch(ada, intro="\u200b\u2800"), 400, "INTRO_REQUIRED")
    for unseen in (" ", "\u200b\u200b", "\u3164"):
        bad(await patch(ada, name=unseen), 400, "INVALID_REQUEST")
        report = {"characterId": mira, "reason": unseen}
        bad(await bob.post("/api/character/report", report), 400, "INVALID_REQUEST")
    bad(await patch(ada, tags=["x"] * 11), 400, "INVALID_REQUEST")
    api.clock.forward(1)
    good(await patch(ada, name="Mira the Second", tags=[], version=1))
    bad(await patch(ada, intro="Late.", version=1), 409, "VERSION_CONFLICT")
    for version in (-1, 0, -(2**53), 2**53, -(10**30), 10**30):
        bad(await patch(ada, intro="Late.", version=version), 409, "VERSION_CONFLICT")
    (item,) = good(await bob.get("/api/character/time-first-page"))["characters"]
    assert (item["name"], item["intro"], item["tags"]) == ("Mira the Second", "An intro.", [])


async def test_a_deleted_card_is_gone_with_its_files(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    mira = await ada.publish()
    await like(bob, mira)
    url = good(await bob.get("/api/character/presign-original", id=mira))["url"]
    bad(await bob.http.delete(f"/api/character/{mira}", headers=bob.headers), 403, "FORBIDDEN")
    good(await ada.http.delete(f"/api/character/{mira}", headers=ada.headers))
    assert await names(bob, "hot-first-page") == [] and await names(bob, "time-first-page") == []
    assert (await api.http.get(url)).status_code == 404
    bad(await bob.get("/api/character/presign-original", id=mira), 404, "CHARACTER_NOT_FOUND")
    bad(await ada.http.delete(f"/api/character/{mira}", headers=ada.headers), 404, "CHARACTER_NOT_FOUND")
    assert good(await bob.get("/api/liked/me"))["characterIds"] == [mira]


async def test_files_that_could_not_be_deleted_go_when_it_is_asked_again(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    mira = await ada.publish()
    key = object_key((await api.services.characters.require(mira)).image_url)
    assert key is not None
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.as_posix().endswith(key)]
    data = path.read_bytes()
    path.unlink()
    (path / "in the way").mkdir(parents=True)  # no file can be removed from there
    refused = await ada.http.delete(f"/api/character/{mira}", headers=ada.headers)
    assert refused.status_code >= 500 and await names(ada, "time-first-page") == []
    (path / "in the way").rmdir()
    path.rmdir()
    path.write_bytes(data)
    bad(await ada.http.delete(f"/api/character/{mira}", headers=ada.headers), 404, "CHARACTER_NOT_FOUND")
    assert not path.exists()


async def test_a_hidden_card_comes_back(api: Api) -> None:
    ada = await api.person()
    mira = await ada.publish()
    good(await ada.post("/api/character/report", {"characterId": mira, "reason": "Look at \x1b[2J this."}))
    await api.services.characters.set_status(mira, "hidden")
    await api.services.ranking.drain("en", "hot")
    assert await names(ada, "hot-first-page") == []
    await api.services.characters.set_status(mira, "active")
    await api.services.ranking.drain("en", "hot")
    assert await names(ada, "hot-first-page") == ["Mira"]


async def test_a_hidden_card_is_its_owners_to_delete_and_nobodys_to_change(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    mira = await ada.publish()
    await api.services.characters.set_status(mira, "hidden")
    path = f"/api/character/{mira}"
    (own,) = good(await ada.get("/api/character/mine"))["characters"]
    assert own["status"] == "hidden"
    bad(await bob.http.delete(path, headers=bob.headers), 404, "CHARACTER_NOT_FOUND")
    change = {"intro": "Another."}
    bad(await ada.http.patch(path, json=change, headers=ada.headers), 404, "CHARACTER_NOT_FOUND")
    good(await ada.http.delete(path, headers=ada.headers))
    bad(await ada.http.delete(path, headers=ada.headers), 404, "CHARACTER_NOT_FOUND")
    assert good(await ada.get("/api/character/mine"))["characters"] == []
    card = await api.services.characters.find_any(mira)
    assert card is not None and card.status == "deleted"
    with pytest.raises(LunaluxError, match="not on the market"):
        await api.services.characters.set_status(mira, "active")


def starter_names(lang: str, paths: list[Path]) -> set[str]:
    return {read_png(path.read_bytes()).card.name for path in paths if path.name.endswith(f".{lang}.png")}


async def test_the_starter_market_is_there_once_in_both_languages(tmp_path: Path) -> None:
    expected = {lang: starter_names(lang, market_cards()) for lang in ("en", "zh")}
    for start in range(3):
        async with backend(tmp_path) as api:
            ada = await api.person(f"ada{start}")
            for lang, wanted in expected.items():
                found = await names(ada, "hot-first-page", lang=lang)
                assert set(found) == wanted and len(found) == len(wanted) >= 7
            if start == 1:  # what an operator removed stays removed
                page = good(await ada.get("/api/character/list", lang="en"))
                removed = page["characters"][0]
                await api.services.characters.set_status(removed["id"], "deleted")
                expected["en"].discard(removed["name"])


async def test_a_market_that_began_with_fewer_cards_is_given_the_others_once(tmp_path: Path) -> None:
    """Those that it began with, and that its operator took away, are not brought back by it."""
    async with backend(tmp_path, seeded=False) as api:
        mark = {"PK": "SEED#1", "SK": "SEED"}
        await api.services.store.write(Put(api.services.settings.tables.user, mark))
    for start in range(2):
        async with backend(tmp_path) as api:
            ada = await api.person(f"ada{start}")
            for lang in ("en", "zh"):
                wanted = starter_names(lang, market_cards()) - starter_names(lang, cards())
                assert sorted(await names(ada, "hot-first-page", lang=lang)) == sorted(wanted)


async def test_a_starter_card_downloads_whole(tmp_path: Path) -> None:
    async with backend(tmp_path) as api:
        ada = await api.person()
        for lang in ("en", "zh"):
            for item in good(await ada.get("/api/character/list", lang=lang))["characters"]:
                file = await ada.get("/api/character/download-original", id=item["id"])
                assert read_png(file.content).card.name == item["name"]
                assert (await api.http.get(item["thumbnailUrl"])).status_code == 200
                good(await ada.submit(characterId=item["id"]))


async def test_urls_outlive_the_page_and_die(api: Api) -> None:
    ada = await api.person()
    await ada.publish()
    page = good(await ada.get("/api/character/hot-first-page"))
    url = page["characters"][0]["thumbnailUrl"]
    assert urlsplit(url).netloc == "lunalux.test"
    api.clock.forward(page["cacheTtlMillis"] / 1000)
    assert (await api.http.get(url)).status_code == 200
    api.clock.forward(7 * 86_400)
    bad(await api.http.get(url), 403, "FORBIDDEN")


async def test_the_public_address_is_used_where_one_is_set(tmp_path: Path) -> None:
    async with backend(tmp_path, public_url="https://cards.example.org") as api:
        ada = await api.person()
        url = good(await ada.get("/api/character/list"))["characters"][0]["thumbnailUrl"]
        assert url.startswith("https://cards.example.org/blobs/")
