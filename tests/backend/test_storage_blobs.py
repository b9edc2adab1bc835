"""Stored objects on both adapters: presign, upload, read back, and what must not work."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from storage_engines import ministack

from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.blobs import BlobExists, BlobInfo, Blobs
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.s3 import S3Blobs
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import uuid4

NOW = 1_770_000_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    async def bucket(running: AwsAccess) -> None:
        provisioner = Provisioner(running, (), "cards")
        await provisioner.apply()
        await provisioner.aclose()

    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        asyncio.run(bucket(running))
        yield running


@pytest.fixture(params=["files", "s3"])
def engine(request: pytest.FixtureRequest) -> AwsAccess | None:
    found: AwsAccess | None = request.getfixturevalue("access") if request.param == "s3" else None
    return found


@pytest.fixture
async def blobs(engine: AwsAccess | None, tmp_path: Path) -> AsyncIterator[Blobs]:
    made: Blobs
    if engine is None:
        made = FileBlobs(tmp_path / "blobs", Signer(["s" * 16]), now_s=lambda: NOW)
    else:
        made = S3Blobs(engine, "cards")
    yield made
    await made.aclose()


@pytest.fixture
def key() -> str:
    return f"characters/original/{uuid4()}.png"


async def test_an_object_comes_back_as_it_was(blobs: Blobs, key: str) -> None:
    assert await blobs.get(key) is None
    assert await blobs.head(key) is None
    assert [piece async for piece in blobs.stream(key)] == []
    made = await blobs.put(key, PNG, "image/png")
    assert await blobs.head(key) == made
    assert made == BlobInfo(len(PNG), "image/png", made.etag)
    assert await blobs.get(key) == PNG
    assert b"".join([piece async for piece in blobs.stream(key)]) == PNG
    await blobs.delete(key)
    await blobs.delete(key)
    assert await blobs.get(key) is None
    assert await blobs.head(key) is None


async def test_nothing_is_overwritten_unless_asked_for(blobs: Blobs, key: str) -> None:
    await blobs.put(key, PNG, "image/png")
    with pytest.raises(BlobExists):
        await blobs.put(key, b"other", "image/webp")
    assert await blobs.get(key) == PNG
    assert (await blobs.head(key) or BlobInfo(0, "", "")).content_type == "image/png"
    await blobs.put(key, b"new", "image/webp", replace=True)
    assert await blobs.get(key) == b"new"


async def test_of_racing_uploads_one_wins_whole(blobs: Blobs, key: str) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(8)]
    result = await asyncio.gather(
        *(blobs.put(key, body, "image/png") for body in bodies), return_exceptions=True
    )
    won = [body for body, result in zip(bodies, result, strict=True) if isinstance(result, BlobInfo)]
    assert len(won) == 1
    assert await blobs.get(key) == won[0]


@pytest.mark.parametrize(
    "bad",
    ["../secret", "/etc/passwd", "a/../b", "a//b", "", ".hidden", "a/.x", "a\\b", "a b", "ä", "x" * 600],
)
async def test_keys_that_lead_elsewhere_are_refused(blobs: Blobs, bad: str) -> None:
    for call in (
        blobs.get(bad),
        blobs.head(bad),
        blobs.delete(bad),
        blobs.put(bad, b"", "image/png"),
        blobs.presign_get(bad, expires_in=60),
        blobs.presign_put(bad, size=1, content_type="image/png", expires_in=60),
    ):
        with pytest.raises(InvalidInput):
            await call


def parts(url: str) -> tuple[str, str]:
    path, _, query = url.partition("?")
    assert path.startswith("/blobs/")
    return path.removeprefix("/blobs/"), query.removeprefix("t=")


async def test_a_signed_address_allows_what_it_says_and_no_more(tmp_path: Path, key: str) -> None:
    clock = [NOW]
    blobs = FileBlobs(tmp_path, Signer(["s" * 16]), now_s=lambda: clock[0])
    digest = hashlib.sha256(PNG).hexdigest()
    put = await blobs.presign_put(key, size=len(PNG), content_type="image/png", expires_in=600, sha256=digest)
    assert put.expires_s == NOW + 600
    assert put.headers["Content-Type"] == "image/png"
    path, token = parts(put.url)
    grant = blobs.verify("PUT", path, token)
    assert grant is not None and grant.key == key
    assert grant.admits(content_type="image/png", data=PNG)
    assert not grant.admits(content_type="text/html", data=PNG)
    assert not grant.admits(content_type="image/png", data=PNG + b"x")
    assert not grant.admits(content_type="image/png", data=PNG[:-1] + b"x")
    assert blobs.verify("GET", path, token) is None
    assert blobs.verify("PUT", "characters/original/other.png", token) is None
    assert blobs.verify("PUT", path, token[:-2]) is None
    assert FileBlobs(tmp_path, Signer(["t" * 16]), now_s=lambda: NOW).verify("PUT", path, token) is None
    clock[0] = NOW + 600
    assert blobs.verify("PUT", path, token) is None


async def test_a_download_is_saved_under_a_plain_name(tmp_path: Path, key: str) -> None:
    blobs = FileBlobs(tmp_path, Signer(["s" * 16]), public_url="https://chat.example/", now_s=lambda: NOW)
    get = await blobs.presign_get(key, expires_in=60, filename='Mira "the" ../Keeper\r\n.png')
    assert get.url.startswith("https://chat.example/blobs/characters/original/")
    grant = blobs.verify("GET", *parts(get.url.removeprefix("https://chat.example")))
    assert grant is not None
    assert grant.disposition == 'attachment; filename="Mira_the_.._Keeper_.png"'


async def test_half_written_files_are_never_seen(tmp_path: Path, key: str) -> None:
    blobs = FileBlobs(tmp_path, Signer(["s" * 16]), now_s=lambda: NOW)
    await blobs.put(key, PNG, "image/png")
    names = sorted(path.name for path in (tmp_path / key).parent.iterdir())
    assert names == [Path(key).name, f"{Path(key).name}~type"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / key).parent.iterdir()} == {0o600}


async def test_s3_refuses_what_was_not_signed(access: AwsAccess, key: str) -> None:
    blobs = S3Blobs(access, "cards")
    put = await blobs.presign_put(key, size=len(PNG), content_type="image/png", expires_in=600)
    async with httpx.AsyncClient(timeout=60) as client:
        wrong_type = await client.put(
            put.url, content=PNG, headers={**put.headers, "Content-Type": "text/html"}
        )
        too_long = await client.put(put.url, content=PNG + b"x", headers=put.headers)
        elsewhere = await client.put(put.url.replace(key, "other.png"), content=PNG, headers=put.headers)
        assert [answer.status_code for answer in (wrong_type, too_long, elsewhere)] == [403] * 3
        assert await blobs.head(key) is None
        assert (await client.put(put.url, content=PNG, headers=put.headers)).status_code == 200
        again = await client.put(put.url, content=PNG, headers=put.headers)
        assert again.status_code == 412, "an upload never overwrites"
        get = await blobs.presign_get(key, expires_in=60, filename="mira.png")
        read = await client.get(get.url)
        assert read.content == PNG
        assert read.headers["content-disposition"] == 'attachment; filename="mira.png"'
        assert (await client.get(get.url[:-3] + "abc")).status_code == 403
    await blobs.aclose()


async def test_addresses_do_not_outlive_what_sigv4_allows(access: AwsAccess, key: str) -> None:
    blobs = S3Blobs(access, "cards", now_s=lambda: NOW)
    get = await blobs.presign_get(key, expires_in=90 * 24 * 3600)
    assert get.expires_s == NOW + 7 * 24 * 3600
    assert "X-Amz-Expires=604800" in get.url
    await blobs.aclose()


async def test_the_digest_is_signed_with_the_rest(access: AwsAccess, key: str) -> None:
    """S3 compares it with the body; here it is seen that nobody can leave it out or change it."""
    blobs = S3Blobs(access, "cards")
    digest = hashlib.sha256(PNG).hexdigest()
    put = await blobs.presign_put(key, size=len(PNG), content_type="image/png", expires_in=60, sha256=digest)
    other = {**put.headers, "x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}
    without = {n: v for n, v in put.headers.items() if n != "x-amz-checksum-sha256"}
    async with httpx.AsyncClient(timeout=60) as client:
        for headers in (other, without):
            assert (await client.put(put.url, content=PNG, headers=headers)).status_code == 403
        assert (await client.put(put.url, content=PNG, headers=put.headers)).status_code == 200
    assert await blobs.get(key) == PNG
    await blobs.aclose()


async def test_addresses_name_the_bucket_of_the_region() -> None:
    blobs = S3Blobs(AwsAccess("eu-west-1", None, "test", "test"), "cards")
    get = await blobs.presign_get("a/b.png", expires_in=60)
    assert get.url.startswith("https://cards.s3.eu-west-1.amazonaws.com/a/b.png?")
    await blobs.aclose()
