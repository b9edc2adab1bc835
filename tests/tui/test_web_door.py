"""`lunalux web`: the app over a real websocket, and nobody else's page comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
from web_app import served
from yarl import URL


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNALUX_HOME", str(tmp_path_factory.mktemp("web")))
        patch.setenv("LUNALUX_LANG", "en")
        with served() as url:
            yield url


@pytest.fixture
async def browser() -> aiohttp.ClientSession:  # type: ignore[misc]
    jar = aiohttp.CookieJar(unsafe=True)  # browsers keep cookies of addresses without a name, too
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield session


async def test_the_token_becomes_a_cookie_and_leaves_the_address_bar(
    address: URL, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(address) as page:
        assert page.status == 200
        assert str(page.url) == str(address.origin()) + "/"
        assert "Lunalux" in await page.text()
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for path in ("/page.js", "/static/js/textual.js"):
        async with browser.get(address.origin() / path.lstrip("/")) as part:
            assert part.status == 200


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/ws", "/page.js", "/static/js/textual.js", "/nothing"]
)
async def test_nothing_is_served_without_the_token(
    address: URL, browser: aiohttp.ClientSession, path: str
) -> None:
    async with browser.get(URL(str(address.origin()) + path)) as refused:
        assert refused.status == 403
        assert "token" in await refused.text()


async def test_a_name_that_points_here_is_not_let_in(address: URL, browser: aiohttp.ClientSession) -> None:
    async with browser.get(address, headers={"Host": f"evil.example:{address.port}"}) as refused:
        assert refused.status == 403


async def test_another_sites_page_cannot_open_the_terminal(
    address: URL, browser: aiohttp.ClientSession
) -> None:
    await (await browser.get(address)).read()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.ws_connect(address.origin() / "ws", origin="http://evil.example")
    assert refused.value.status == 403


async def test_the_app_draws_and_takes_keys_over_the_socket(
    address: URL, browser: aiohttp.ClientSession
) -> None:
    await (await browser.get(address)).read()
    socket = address.origin() / "ws" % {"width": "100", "height": "30"}
    async with browser.ws_connect(socket, origin=str(address.origin())) as terminal:
        await _until(terminal, b"Type a message")
        await terminal.send_json(["stdin", "moonflower"])
        await _until(terminal, b"moonflower")


async def _until(terminal: aiohttp.ClientWebSocketResponse, wanted: bytes) -> None:
    seen = b""
    async with asyncio.timeout(60):
        while wanted not in seen.replace(b"\x1b[", b""):
            message = await terminal.receive()
            assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}, message
            seen += message.data if isinstance(message.data, bytes) else b""
