"""Files from addresses: what is fetched, and what is refused before it can do harm."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.config.paths import Paths
from lunalux_core.errors import LunaluxError
from lunalux_core.importing import address as fetching
from lunalux_core.importing import gather, import_files
from lunalux_core.importing.address import Downloads, file_name, is_public, shown
from lunalux_core.library import Library

CARD = export_card(Card.new("Ada", first_mes="Hello."), "png")
Answer = Callable[[BaseHTTPRequestHandler], None]


def file(body: bytes = CARD, kind: str = "image/png", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def moved(to: str, status: int = 302) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


class Server:
    """A server on loopback that answers by path."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answers[urlsplit(self.path).path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    downloads = Downloads(allow_private=True)
    yield downloads
    downloads.close()


def refused(downloads: Downloads, address: str) -> LunaluxError:
    with pytest.raises(LunaluxError) as caught:
        downloads.fetch(address)
    left = downloads._folder
    assert left is None or not [path for path in left.rglob("*") if path.is_file()], "nothing is kept"
    return caught.value


async def test_a_card_is_imported_from_its_address(
    server: Server, downloads: Downloads, paths: Paths
) -> None:
    server.answers["/a/Ada%20L.png"] = file()
    server.answers["/go"] = moved("/a/Ada%20L.png", 307)
    library = Library(paths)
    try:
        address = f"{server.url}/go?token=secret"
        (result,) = import_files(library, paths, gather([address], fetch=downloads.fetch))
        assert (result.status, result.name) == ("imported", "Ada")
        assert downloads.told(result.path) == f"{server.url}/go", "the address is told, its secrets are not"
        assert server.asked == ["/go?token=secret", "/a/Ada%20L.png"]
        (again,) = import_files(library, paths, gather([address], fetch=downloads.fetch))
        assert again.status == "duplicate"
    finally:
        library.close()
    folder = downloads._folder
    downloads.close()
    assert folder is not None and not folder.exists()


async def test_a_bad_address_does_not_stop_the_others(
    server: Server, downloads: Downloads, paths: Paths
) -> None:
    server.answers["/page"] = file(b"<!DOCTYPE html><p>Card", "text/html; charset=utf-8")
    server.answers["/ada.png"] = file()
    library = Library(paths)
    try:
        wanted = [f"{server.url}/page?x=1", f"{server.url}/ada.png"]
        results = list(import_files(library, paths, gather(wanted, fetch=downloads.fetch)))
        told = {result.path if result.error else "": result.error and result.error.code for result in results}
        assert told == {f"{server.url}/page": "ADDRESS_IS_A_PAGE", "": None}
    finally:
        library.close()


@pytest.mark.parametrize(
    "body", [b"<!doctype HTML>\n<title>", b"  \n<html lang=en>", b"<!-- a --> <!DOCTYPE html>", b"<head>"]
)
def test_a_page_is_known_by_its_words_too(server: Server, downloads: Downloads, body: bytes) -> None:
    server.answers["/x.png"] = file(body, "image/png")
    assert refused(downloads, f"{server.url}/x.png").code == "ADDRESS_IS_A_PAGE"


def test_this_computer_is_refused_unless_it_is_asked_for(server: Server) -> None:
    server.answers["/x.png"] = file()
    port = server.http.server_address[1]
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1"):
        assert refused(Downloads(), f"http://{host}:{port}/x.png").code == "ADDRESS_PRIVATE", host
    assert not server.asked


def test_a_redirect_to_this_computer_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the open internet, which for this test is a name that leads to the one on loopback."""
    server.answers["/out"] = moved(f"http://localhost:{server.http.server_address[1]}/secret")
    server.answers["/secret"] = file()
    real = fetching.is_public
    judged: list[str] = []

    def first_is_public(host: str) -> bool:
        judged.append(host)
        return len(judged) == 1 or real(host)

    monkeypatch.setattr(fetching, "is_public", first_is_public)
    assert refused(Downloads(), f"{server.url}/out").code == "ADDRESS_PRIVATE"
    assert server.asked == ["/out"]


def test_a_name_is_judged_by_what_it_leads_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        return real("127.0.0.1" if host == "cards.example" else host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    address = f"http://cards.example:{server.http.server_address[1]}/x.png"
    assert refused(Downloads(), address).code == "ADDRESS_PRIVATE"
    server.answers["/x.png"] = file()
    allowed = Downloads(allow_private=True)
    assert allowed.fetch(address).read_bytes() == CARD
    allowed.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (file(b"", Content_Length=str(5 * 1024**3)), "DOWNLOAD_TOO_LARGE"),
        (file(b"half", Content_Length="999"), "ADDRESS_UNREACHABLE"),
        (file(gzip.compress(b"x" * 3_000_000), Content_Encoding="gzip"), "DOWNLOAD_TOO_LARGE"),
        (file(b"no gzip", Content_Encoding="gzip"), "ADDRESS_UNREACHABLE"),
        (endless, "DOWNLOAD_TOO_LARGE"),
        (moved("/x.png"), "ADDRESS_REDIRECTS"),
        (moved("file:///etc/passwd"), "ADDRESS_INVALID"),
        (moved("gopher://x/"), "ADDRESS_INVALID"),
        (moved("http://user:pass@127.0.0.1/"), "ADDRESS_INVALID"),
        (moved(""), "ADDRESS_REDIRECTS"),
        (lambda handler: handler.send_error(404), "ADDRESS_NOT_FOUND"),
        (lambda handler: handler.send_error(403), "ADDRESS_REFUSED"),
        (lambda handler: handler.send_error(500), "ADDRESS_REFUSED"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "ADDRESS_UNREACHABLE"),
    ],
)
def test_what_is_no_file_is_one_sentence(
    server: Server, downloads: Downloads, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: str
) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 2_000_000)
    server.answers["/x.png"] = answer
    error = refused(downloads, f"{server.url}/x.png?key=secret")
    assert error.code == code and error.message and "secret" not in error.message


def test_a_long_chinese_name_is_shortened(server: Server, downloads: Downloads) -> None:
    server.answers = {f"/{quote('灯' * 150)}.png": file()}
    path = downloads.fetch(f"{server.url}/{'灯' * 150}.png")
    assert path.read_bytes() == CARD and path.suffix == ".png" and set(path.stem) == {"灯"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_not_told_as_a_bad_connection(server: Server, tmp_path: Path) -> None:
    server.answers = {"/ada.png": file()}
    (tmp_path / "ada.png").symlink_to("/dev/full")
    with pytest.raises(LunaluxError) as caught:
        fetching.fetch_file(f"{server.url}/ada.png", tmp_path, allow_private=True)
    assert caught.value.code == "DISK_FULL" and not list(tmp_path.iterdir())


def test_packed_answers_are_unpacked(server: Server, downloads: Downloads) -> None:
    server.answers["/x.png"] = file(gzip.compress(CARD), Content_Encoding="gzip")
    assert downloads.fetch(f"{server.url}/x.png").read_bytes() == CARD


def test_an_address_is_given_up_after_its_time(
    server: Server, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.2)
    server.answers["/x.png"] = endless
    assert refused(downloads, f"{server.url}/x.png").code == "DOWNLOAD_TOO_SLOW"
    closed = server.http.server_address[1]
    server.close()
    assert refused(downloads, f"http://127.0.0.1:{closed}/").code == "ADDRESS_UNREACHABLE"
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server._thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    server._thread.start()


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "https:///x",
        "http://a:99999/",
        "http://[::1",
        "http://a b/",
        "https://u:p@host/",
        "http://\ud800/",
    ],
)
def test_what_is_no_address_is_told(downloads: Downloads, address: str) -> None:
    error = refused(downloads, address)
    assert error.code == "ADDRESS_INVALID" and "u:p" not in error.message


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.0.0.1", False), ("172.16.9.9", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("fe80::1%eth0", False), ("fc00::1", False), ("::", False),
        ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("ff02::1", False), ("host", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_of_the_open_internet(host: str, public: bool) -> None:
    assert is_public(host) is public


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_name_from_a_server_stays_in_its_folder(path: str, disposition: str) -> None:
    at = urlsplit("http://h/")._replace(path=path)
    for name in (file_name(at, disposition), file_name(at, f'attachment; filename="{disposition}"')):
        assert name and Path(name).name == name and name not in (".", "..") and len(name) < 130
        assert not name.startswith(".") and not any(ord(letter) < 32 for letter in name)


def test_addresses_are_told_without_their_secrets() -> None:
    assert shown("https://me:pw@host/a.png?sig=1#x") == "https://host/a.png"
    assert "\x1b" not in shown("https://h/\x1b[31m")


@pytest.mark.parametrize(
    "to", ["http://[::x/a", "//[1/a", "http://[::1]x/", "http://a:99999/", "http://\x7f/"]
)
def test_a_redirect_to_what_is_no_address_is_refused(server: Server, tmp_path: Path, to: str) -> None:
    server.answers["/a"] = moved(to)
    with pytest.raises(LunaluxError) as refused:
        Downloads(allow_private=True).fetch(f"{server.url}/a")
    assert refused.value.code in ("ADDRESS_INVALID", "ADDRESS_REDIRECTS", "ADDRESS_UNREACHABLE")


def test_a_page_is_known_at_once_however_many_comments_it_begins_with() -> None:
    assert fetching._PAGE.match(b"<!---->" * 500 + b"<!-- a --> <html>")
    assert not fetching._PAGE.match(b"<!---->" * 500 + b"<svg>")
