"""Uploads that mean harm, through the whole API: nothing of them is kept, shown or decoded."""

from __future__ import annotations

import asyncio
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import Api, Person, backend, bad, card_png, chunk, good

from lunalux_core.cards.png_card import read_png

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with backend(tmp_path, seeded=False) as api:
        yield api


async def presign(person: Person, data: bytes, **more: Any) -> dict[str, Any]:
    body = {"filename": "card.png", "size": len(data), **more}
    return good(await person.post("/api/character/presign-upload", body))


async def finalize(person: Person, key: str, **more: Any) -> httpx.Response:
    body = {"s3Key": key, "language": "en", "intro": "An intro.", **more}
    return await person.post("/api/character/finalize-publish", body)


async def empty_market(person: Person) -> bool:
    return not good(await person.get("/api/character/time-first-page"))["characters"]


async def test_the_clients_file_name_never_becomes_a_name_of_ours(api: Api) -> None:
    ada = await api.person()
    for filename in ("../../../etc/passwd", "a/b.png", "", "x" * 500, "\x00.png", "characters/thumbs/x.webp"):
        body = {"filename": filename, "size": 10}
        key = good(await ada.post("/api/character/presign-upload", body))["key"]
        assert key.startswith("characters/original/") and key.endswith(".png") and ".." not in key
        assert "passwd" not in key and len(key.split("/")) == 4
    by_query = good(await ada.get("/api/character/presign-upload", filename="a.png", size=10))
    assert set(by_query) == {"success", "url", "key", "headers", "expiresIn"}


async def test_sizes_are_bound_before_a_byte_comes(api: Api) -> None:
    ada = await api.person()
    for size, status, code in (
        (9_000_000, 413, "TOO_LARGE"),
        (0, 400, "INVALID_REQUEST"),
        (-5, 400, "INVALID_REQUEST"),
    ):
        bad(await ada.post("/api/character/presign-upload", {"filename": "a", "size": size}), status, code)
    huge = b"x" * 9_000_000
    files = {"file": ("a.png", huge, "image/png")}
    bad(
        await ada.http.post("/api/character/upload-direct", files=files, headers=ada.headers),
        413,
        "TOO_LARGE",
    )


async def test_a_presigned_put_takes_only_what_was_signed(api: Api) -> None:
    ada = await api.person()
    data = card_png()
    signed = await presign(ada, data, sha256=hashlib.sha256(data).hexdigest())
    url, headers = signed["url"], signed["headers"]

    async def put(url: str, content: bytes, **changed: str) -> httpx.Response:
        return await api.http.put(url, content=content, headers={**headers, **changed})

    bad(await put(url, data + b"x"), 403, "FORBIDDEN")
    bad(await put(url, b"y" * len(data)), 403, "FORBIDDEN")
    bad(await put(url, data, **{"Content-Type": "text/html"}), 403, "FORBIDDEN")
    bad(await put(url.replace("/characters/", "/characters/x"), data), 403, "FORBIDDEN")
    bad(await put(url[:-1], data), 403, "FORBIDDEN")
    bad(await put(url.partition("?")[0], data), 403, "FORBIDDEN")
    bad(await api.http.get(url), 403, "FORBIDDEN")
    assert (await put(url, data)).status_code == 200
    bad(await put(url, data), 412, "OBJECT_EXISTS")
    late = await presign(ada, data)
    api.clock.forward(16 * 60)
    bad(await put(late["url"], data), 403, "FORBIDDEN")
    good(await finalize(ada, signed["key"]))


async def test_nobody_publishes_what_is_not_theirs(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    key = await ada.upload(card_png())
    bad(await finalize(bob, key), 404, "UPLOAD_NOT_FOUND")
    own = await bob.upload(card_png("Mine"))
    published = good(await finalize(bob, own))["id"]
    for foreign in (
        f"characters/original/published/{published}.png",
        f"characters/thumbs/{published}.webp",
        "../backend.db",
        "/etc/passwd",
        key.replace(".png", ".PNG"),
        "",
    ):
        bad(await finalize(ada, foreign), 404, "UPLOAD_NOT_FOUND")
    never_uploaded = (await presign(ada, b"x"))["key"]
    bad(await finalize(ada, never_uploaded), 404, "UPLOAD_NOT_FOUND")
    good(await finalize(ada, key))
    api.clock.forward(2 * 86_400)
    late = await presign(ada, card_png())
    api.clock.forward(2 * 86_400)
    bad(await finalize(ada, late["key"]), 404, "UPLOAD_NOT_FOUND")


async def test_the_same_upload_is_one_card_however_often_and_fast(api: Api) -> None:
    ada = await api.person()
    key = await ada.upload(card_png())
    answers = await asyncio.gather(*(finalize(ada, key) for _ in range(4)))
    assert len({good(a)["id"] for a in answers}) == 1
    assert good(await finalize(ada, key))["id"] == good(answers[0])["id"]
    assert len(good(await ada.get("/api/character/time-first-page"))["characters"]) == 1


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def with_text(kind: bytes, body: bytes) -> bytes:
    return card_png("").replace(chunk(b"IEND", b""), chunk(kind, body) + chunk(b"IEND", b""))


HOSTILE = {
    "not a picture": b"<script>alert(1)</script>" * 10,
    "html behind a signature": SIGNATURE + b"<html>" * 10,
    "jpeg": b"\xff\xd8\xff\xe0" + b"x" * 100,
    "no card": card_png(""),
    "card is no json": with_text(b"tEXt", b"chara\0bm90IGpzb24="),
    "card is a list": with_text(b"tEXt", b"chara\0W10="),
    "card without a name": with_text(b"tEXt", b"chara\0eyJuYW1lIjogIiAifQ=="),
    "pixel bomb": SIGNATURE
    + header(30_000, 30_000)
    + chunk(b"IDAT", zlib.compress(b"\0"))
    + chunk(b"IEND", b""),
    "text bomb": with_text(b"zTXt", b"chara\0\0" + zlib.compress(b"\0" * 100_000_000, 9)),
    "pixels of zeros, too few": card_png(width=4000, height=4000)[:60]
    + chunk(b"IDAT", b"")
    + chunk(b"IEND", b""),
    "cut": card_png()[:-20],
    "bad checksum": card_png()[:-1] + b"\0",
    "broken pixels": SIGNATURE + header(40, 60) + card_png()[33:-12].replace(b"IDAT", b"IDAT", 1)[:-30],
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_files_are_refused_both_ways(api: Api, what: str) -> None:
    data = HOSTILE[what]
    ada = await api.person()
    bad(await finalize(ada, await ada.upload(data)), 400, "INVALID_CARD")
    files = {"file": ("card.png", data, "image/png")}
    direct = await ada.http.post("/api/character/upload-direct", files=files, headers=ada.headers)
    if direct.status_code == 200:
        bad(await finalize(ada, direct.json()["key"]), 400, "INVALID_CARD")
    else:
        bad(direct, 400, "INVALID_CARD")
    assert await empty_market(ada)


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("run.sh", "echo PAYLOAD")
    return packed.getvalue()


FRAME = struct.pack(">IIIIIHHBB", 0, 40, 60, 0, 0, 1, 10, 0, 0)
POLYGLOTS = {
    "an archive behind the picture": card_png() + archive() + b"PAYLOAD",
    "a page behind the picture": card_png() + b"<html><script>PAYLOAD</script>",
    "a second picture": card_png() + card_png("PAYLOAD"),
    "a page in a comment": card_png("Mira", chunk(b"tEXt", b"Comment\0<script>PAYLOAD</script>")),
    "a document in a comment": card_png("Mira", chunk(b"tEXt", b"Comment\0%PDF-1.7 PAYLOAD")),
    "a place in the metadata": card_png("Mira", chunk(b"eXIf", b"MM\0*\0\0\0\x08PAYLOAD")),
    "a profile": card_png("Mira", chunk(b"iCCP", b"x\0\0" + zlib.compress(b"PAYLOAD"))),
    "another film": card_png(
        "Mira",
        chunk(b"acTL", struct.pack(">II", 2, 0)),
        chunk(b"fcTL", struct.pack(">I", 0) + FRAME[4:]),
        chunk(b"fdAT", struct.pack(">I", 1) + b"PAYLOAD"),
    ),
    "a chunk of its own": card_png("Mira", chunk(b"prVt", b"<?php PAYLOAD ?>")),
}


@pytest.mark.parametrize("what", POLYGLOTS)
async def test_of_a_polyglot_nothing_is_left_but_the_picture_and_the_card(api: Api, what: str) -> None:
    """Refused, or published without what was hidden in it; served as a picture only."""
    ada, bob = await api.person(), await api.person("bob")
    answer = await finalize(ada, await ada.upload(POLYGLOTS[what]))
    if answer.status_code == 400:
        bad(answer, 400, "INVALID_CARD")
        assert await empty_market(ada)
        return
    served = await bob.get("/api/character/download-original", id=good(answer)["id"])
    assert served.headers["content-type"] == "image/png"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "attachment" in served.headers["content-disposition"]
    assert b"PAYLOAD" not in served.content and served.content.endswith(chunk(b"IEND", b""))
    kinds = {kind for kind, _ in chunks(served.content)}
    assert kinds <= {b"IHDR", b"PLTE", b"tRNS", b"tEXt", b"IDAT", b"IEND"}
    assert read_png(served.content).card.name == "Mira"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


async def test_direct_uploads_publish_too(api: Api) -> None:
    ada = await api.person()
    files = {"file": ("../../x.png", card_png("Direct"), "image/png")}
    form = {"filename": "y.png"}
    direct = await ada.http.post("/api/character/upload-direct", files=files, data=form, headers=ada.headers)
    good(await finalize(ada, good(direct)["key"], name="", tags=[]))
    (item,) = good(await ada.get("/api/character/time-first-page"))["characters"]
    assert item["name"] == "Direct"


async def test_a_card_without_a_language_is_published_in_english(api: Api) -> None:
    ada = await api.person()
    body = {"s3Key": await ada.upload(card_png("Plain")), "intro": "An intro."}
    good(await ada.post("/api/character/finalize-publish", body))
    (item,) = good(await ada.get("/api/character/time-first-page", lang="en"))["characters"]
    assert item["name"] == "Plain"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"intro": ""}, "INTRO_REQUIRED"),
        ({"intro": "   \n"}, "INTRO_REQUIRED"),
        ({"intro": "\u202e\x1b[0m"}, "INTRO_REQUIRED"),
        ({"intro": None}, "INTRO_REQUIRED"),
        ({"intro": "\u200b\x07 "}, "INTRO_REQUIRED"),
        ({"intro": "\u3164\ufe0f\n\U000e0100"}, "INTRO_REQUIRED"),
        ({"language": "fr"}, "INVALID_REQUEST"),
        ({"tags": ["t"] * 11}, "INVALID_REQUEST"),
        ({"tags": "t"}, "INVALID_REQUEST"),
        ({"tags": [1]}, "INVALID_REQUEST"),
        ({"name": "n" * 500}, "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_wish_publishes_nothing_and_keeps_the_upload(
    api: Api, changes: dict[str, Any], code: str
) -> None:
    ada = await api.person()
    key = await ada.upload(card_png())
    bad(await finalize(ada, key, **changes), 400, code)
    assert await empty_market(ada)
    good(await finalize(ada, key))


async def test_of_names_that_nobody_sees_the_cards_is_taken(api: Api) -> None:
    ada = await api.person()
    await ada.publish(card_png("Mira"), name="\u200b\u200b", tags=["\u2060\u200d", "sea"])
    (item,) = good(await ada.get("/api/character/time-first-page"))["characters"]
    assert (item["name"], item["tags"]) == ("Mira", ["sea"])
    good(await finalize(ada, await ada.upload(card_png()), name=None, tags=None, language=None))
    key = await ada.upload(card_png("\u3164\u200b"))
    bad(await finalize(ada, key), 400, "INVALID_CARD")
    good(await finalize(ada, key, name="\U0001f468\u200d\U0001f469"))


async def test_texts_of_cards_cannot_act_on_a_terminal(api: Api) -> None:
    ada = await api.person()
    await ada.publish(card_png("Mi\x1b[31mra\u202e"), tags=["se\x07a", "\x1b]0;title\x07"], intro="A\x9bB")
    (item,) = good(await ada.get("/api/character/time-first-page"))["characters"]
    assert item["name"] == "Mira" and item["tags"] == ["sea"]
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in str(item))


@pytest.mark.parametrize(
    "path", ["/blobs/../backend.db", "/blobs/%2e%2e/backend.db", "/blobs//etc/passwd", "/blobs/"]
)
async def test_blobs_serve_nothing_unsigned(api: Api, path: str) -> None:
    response = await api.http.get(path)
    assert response.status_code in {403, 404, 405} and response.json()["success"] is False


async def test_malformed_multipart_is_told_in_the_envelope(api: Api) -> None:
    ada = await api.person()
    path = "/api/character/upload-direct"
    bad(await ada.http.post(path, headers=ada.headers), 400, "INVALID_REQUEST")
    bad(await ada.http.post(path, data={"file": "text"}, headers=ada.headers), 400, "INVALID_REQUEST")
    broken = {**ada.headers, "content-type": "multipart/form-data; boundary=x"}
    bad(await ada.http.post(path, content=b"--x\r\nnonsense", headers=broken), 400, "INVALID_REQUEST")
    no_boundary = {**ada.headers, "content-type": "multipart/form-data"}
    bad(await ada.http.post(path, content=b"x", headers=no_boundary), 400, "INVALID_REQUEST")


def objects(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("~type"))
    return {str(path.relative_to(folder)) for path in found}


async def test_an_upload_that_nobody_publishes_is_taken_away(api: Api, tmp_path: Path) -> None:
    ada, blobs = await api.person(), tmp_path / "backend" / "blobs"
    published = await ada.publish(card_png("Kept"))
    await ada.upload(card_png("Never"))
    broken = await ada.upload(card_png("", width=3))
    bad(await finalize(ada, broken), 400, "INVALID_CARD")
    kept = {f"characters/original/published/{published}.png", f"characters/thumbs/{published}.webp"}
    assert len(objects(blobs) - kept) == 2
    await api.services.sweep()
    assert len(objects(blobs) - kept) == 2  # a day to publish them
    api.clock.forward(25 * 3600 + 1)
    swept = await api.services.sweep()
    assert (swept.uploads, swept.passed_over) == (3, 0)
    assert objects(blobs) == kept
    left = [row async for row in api.services.store.scan_all("liked_table")]
    assert [row["SK"] for row in left] == [f"OWN#{published}"]
    assert (await api.services.sweep()).uploads == 0


async def test_what_arrives_again_after_publishing_is_taken_away(api: Api, tmp_path: Path) -> None:
    """The signed address is good for a quarter of an hour, whatever became of the upload."""
    ada, data, blobs = await api.person(), card_png(), tmp_path / "backend" / "blobs"
    signed = await presign(ada, data)
    for _ in range(2):
        put = await ada.http.put(signed["url"], content=data, headers=signed["headers"])
        assert put.status_code == 200
        good(await finalize(ada, signed["key"]))
    assert len(objects(blobs)) == 3
    api.clock.forward(25 * 3600 + 1)
    await api.services.sweep()
    assert len(objects(blobs)) == 2


async def test_a_sweep_beside_a_publication_loses_neither_card_nor_picture(api: Api) -> None:
    """At the very end of the ticket: the card is published whole, or the upload is gone; never half of it."""
    ada = await api.person()
    for number in range(10):
        key = await ada.upload(card_png(f"Card {number}"))
        api.clock.forward(24 * 3600 - 1 + number % 3)
        answer, _ = await asyncio.gather(finalize(ada, key), api.services.sweep())
        if number % 3 == 0:
            card = await api.services.characters.require(good(answer)["id"])
            api.clock.forward(2 * 3600)
            await api.services.sweep()
            url = good(await ada.get("/api/character/presign-original", id=card.id))["url"]
            assert (await ada.http.get(url)).status_code == 200
        else:
            bad(answer, 404, "UPLOAD_NOT_FOUND")


async def test_an_account_has_only_so_many_uploads_that_wait(tmp_path: Path) -> None:
    async with backend(tmp_path, seeded=False, served=True) as api:
        ada, bob = await api.person(), await api.person("bob")
        body = {"filename": "card.png", "size": 8_000_000}
        codes = [(await ada.post("/api/character/presign-upload", body)).status_code for _ in range(17)]
        assert codes == [200] * 16 + [429]
        good(await bob.post("/api/character/presign-upload", body))
        api.clock.forward(25 * 3600 + 1)
        await api.services.sweep()
        good(await ada.post("/api/character/presign-upload", body))


async def test_erasing_finds_uploads_whose_time_is_over(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    await ada.upload(card_png("Never"))
    api.clock.forward(25 * 3600 + 1)
    await api.services.erasure.erase(ada.user_id, ada.email)
    assert objects(tmp_path / "backend" / "blobs") == set()
    assert [row async for row in api.services.store.scan_all("liked_table")] == []
