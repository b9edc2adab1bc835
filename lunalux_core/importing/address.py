"""A file from an address: a direct link, fetched under limits into a folder of its own.

Nothing is read off web pages. The address that a name resolves to is judged where the connection is made, so
that neither a redirect nor a name that changes its mind leads to this machine or to the network it stands in.
"""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, NetworkError, NotFound
from lunalux_core.text import clean_line

LARGEST = 256 * 1024 * 1024
"""Bytes of a file, as large as the largest archive that is read."""
REDIRECTS = 5
IDLE_SECONDS = 30
TOTAL_SECONDS = 900
LONGEST_ADDRESS = 4096
LONGEST_NAME = 100
LONGEST_STEM = 200
"""Bytes of a name without its ending; file systems allow 255, which a hundred Chinese characters exceed."""
PIECE = 64 * 1024
MOVED = (301, 302, 303, 307, 308)

_EMBEDDING = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""IPv6 addresses that carry an IPv4 address in their last 32 bits."""
_PAGE = re.compile(
    rb"\s*(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_FILE_NAME = re.compile(r"""filename\*?=(?:utf-8''|"?)([^";]+)""", re.IGNORECASE)

Progress = Callable[[int], None]
"""Told how many bytes have come."""


class Downloads:
    """Files that were fetched, each in a folder of its own, until it is closed.

    Args:
        allow_private: addresses of this machine and of its network may be fetched, too.
    """

    def __init__(self, *, allow_private: bool = False, progress: Progress = lambda _: None) -> None:
        self._allow_private = allow_private
        self._progress = progress
        self._folder: Path | None = None
        self._addresses: dict[str, str] = {}

    def close(self) -> None:
        """Remove what was fetched."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def fetch(self, address: str) -> Path:
        """The file at an address.

        Raises:
            InvalidInput: ADDRESS_INVALID, ADDRESS_PRIVATE, ADDRESS_IS_A_PAGE, ADDRESS_REDIRECTS.
            LimitExceeded: DOWNLOAD_TOO_LARGE, DOWNLOAD_TOO_SLOW. NotFound: ADDRESS_NOT_FOUND.
            NetworkError: ADDRESS_UNREACHABLE, ADDRESS_REFUSED.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="lunalux-import-"))
        place = self._folder / str(len(self._addresses))
        place.mkdir()
        self._addresses[str(place)] = address
        return fetch_file(address, place, allow_private=self._allow_private, progress=self._progress)

    def told(self, path: str) -> str:
        """What to call a path in what is told: the address that it came from."""
        for place, address in self._addresses.items():
            if path.startswith(place):
                # A member of an archive is told as ADDRESS!MEMBER.
                _, sign, member = path[len(place) :].partition("!")
                return shown(address) + sign + member
        return path


def fetch_file(
    address: str, folder: Path, *, allow_private: bool = False, progress: Progress = lambda _: None
) -> Path:
    """`Downloads.fetch` into a folder."""
    deadline = time.monotonic() + TOTAL_SECONDS
    at = _checked(address)
    for _ in range(REDIRECTS + 1):
        with _Reply(at, address, deadline, allow_private) as reply:
            if reply.status in MOVED:
                at = _next(at, reply.header("location"), address)
                continue
            reply.judge()
            path = folder / file_name(at, reply.header("content-disposition"))
            _write(path, reply, address, progress)
            return path
    raise InvalidInput(
        "ADDRESS_REDIRECTS",
        f"{shown(address)} leads on and on.",
        "Open it in a browser and use the address of the file itself.",
        address=shown(address),
    )


def shown(address: str) -> str:
    """An address as it is told: without control characters, and without what is secret in it."""
    line = re.sub(r"//[^/@?#]*@", "//", clean_line(address, 300))
    # Links for download often carry a key in the query.
    return line.partition("?")[0].partition("#")[0]


def _checked(address: str) -> SplitResult:
    try:
        # A port out of range raises only when it is read.
        parts = urlsplit(address.strip())
        port_is_fine = parts.port is None or 0 < parts.port < 65536
        host = (parts.hostname or "").encode("idna").decode() if parts.hostname else ""
    except (ValueError, UnicodeError):
        raise _invalid(address) from None
    plain = parts.username is None and parts.password is None and len(address) <= LONGEST_ADDRESS
    odd = any(ord(letter) < 33 or ord(letter) == 127 for letter in address.strip())
    if parts.scheme.lower() not in ("http", "https") or not host or not port_is_fine or not plain or odd:
        raise _invalid(address)
    return parts


def _invalid(address: str) -> InvalidInput:
    return InvalidInput(
        "ADDRESS_INVALID",
        f"{shown(address)} is no address of a file.",
        "Use an https:// address without a name and password in it.",
        address=shown(address),
    )


def _next(at: SplitResult, location: str, address: str) -> SplitResult:
    try:
        following = _checked(urljoin(at.geturl(), location)) if location else None
    except ValueError:  # a host in brackets that is no address
        raise _invalid(address) from None
    # From https to http is no safe step: anybody on the way could put another file in.
    if following is None or (at.scheme.lower() == "https" and following.scheme.lower() != "https"):
        raise InvalidInput(
            "ADDRESS_REDIRECTS",
            f"{shown(address)} leads to an address that is not safe.",
            "Open it in a browser and use the address of the file itself.",
            address=shown(address),
            kind="unsafe",
        )
    return following


def is_public(host: str) -> bool:
    """Whether an IP address is one of the open internet."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        # An IPv4 address in IPv6's clothes leads to the same machine.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _EMBEDDING):
            inner = ip_address(address.packed[-4:])  # type: ignore[assignment]
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Reply:
    """One request and its answer, over a connection to an address that was judged."""

    def __init__(self, at: SplitResult, address: str, deadline: float, allow_private: bool) -> None:
        self._at = at
        self._address = address
        self._deadline = deadline
        self._allow_private = allow_private
        self._connection = self._connected()
        try:
            self._response = self._asked()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> _Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def status(self) -> int:
        return self._response.status

    def header(self, name: str) -> str:
        return self._response.getheader(name) or ""

    def judge(self) -> None:
        """Refuse what is no file before its first byte is read."""
        told = shown(self._address)
        if self.status in (404, 410):
            raise NotFound(
                "ADDRESS_NOT_FOUND", f"There is no file at {told}.", "Check the address.", address=told
            )
        if self.status != 200:
            raise NetworkError(
                "ADDRESS_REFUSED",
                f"{told} was refused ({self.status}).",
                "It may need a sign-in: download it in a browser and import the file.",
                address=told,
                status=self.status,
            )
        if self.header("content-type").partition(";")[0].strip().lower() in (
            "text/html",
            "application/xhtml+xml",
        ):
            raise _page(self._address)
        length = self.header("content-length")
        if length.isdecimal() and int(length) > LARGEST:
            raise _too_large(self._address)

    def pieces(self) -> Iterator[bytes]:
        """What comes, unpacked."""
        packed = self.header("content-encoding").strip().lower() in ("gzip", "x-gzip", "deflate")
        # 47 takes gzip and zlib alike. We ask for neither, and some servers pack all the same.
        unpack = zlib.decompressobj(wbits=47) if packed else None
        while piece := self._piece():
            if unpack is None:
                yield piece
                continue
            while piece:
                # No more at once than a piece: a few bytes may unpack to gigabytes.
                yield unpack.decompress(piece, PIECE)
                piece = unpack.unconsumed_tail

    def _piece(self) -> bytes:
        if time.monotonic() > self._deadline:
            raise LimitExceeded(
                "DOWNLOAD_TOO_SLOW",
                f"{shown(self._address)} takes too long.",
                "Download it in a browser and import the file.",
                address=shown(self._address),
            )
        return self._response.read1(PIECE)

    def _connected(self) -> http.client.HTTPConnection:
        at = self._at
        host = at.hostname or ""
        proxy = self._proxy()
        if proxy is not None:
            # The proxy looks the name up, so only an address that is written out can be judged here.
            self._refuse_private(host, [host] if _is_literal(host) else [])
            return self._through(*proxy)
        port = at.port or (443 if at.scheme.lower() == "https" else 80)
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise self._unreachable(error) from error
        # All of them: whichever answers first is used.
        self._refuse_private(host, [str(info[4][0]) for info in infos])
        failure: Exception = OSError(host)
        for info in infos:
            try:
                return self._to(info)
            except (OSError, ssl.SSLError) as error:
                failure = error
        raise self._unreachable(failure) from failure

    def _proxy(self) -> tuple[str, int] | None:
        """The proxy that the environment names, where it speaks HTTP. It looks names up itself."""
        from lunalux_core.llm.servers.network import proxy_for, usable

        proxy = proxy_for(self._at.geturl())
        if proxy is None or not usable(proxy) or not proxy.url.startswith("http://"):
            return None
        parts = urlsplit(proxy.url)
        return parts.hostname or "", parts.port or 80

    def _through(self, host: str, port: int) -> http.client.HTTPConnection:
        if self._at.scheme.lower() == "https":
            tunnel = http.client.HTTPSConnection(host, port, timeout=IDLE_SECONDS)
            tunnel.set_tunnel(self._at.hostname or "", self._at.port or 443)
            return tunnel
        return http.client.HTTPConnection(host, port, timeout=IDLE_SECONDS)

    def _refuse_private(self, host: str, addresses: list[str]) -> None:
        named_here = host.lower().rstrip(".") == "localhost"
        if self._allow_private or not (named_here or any(not is_public(address) for address in addresses)):
            return
        told = shown(self._address)
        raise InvalidInput(
            "ADDRESS_PRIVATE",
            f"{told} leads to this computer or to a private network, which needs --allow-private.",
            "Repeat it with that where you trust the address.",
            address=told,
        )

    def _to(self, info: Any) -> http.client.HTTPConnection:
        """A connection to exactly the address that was judged."""
        family, kind, protocol, _, place = info
        host, port = self._at.hostname or "", place[1]
        connection = http.client.HTTPConnection(host, port, timeout=IDLE_SECONDS)
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(IDLE_SECONDS)
            opened.connect(place)
            if self._at.scheme.lower() == "https":
                # The certificate must be the name's, although the connection goes to the judged address.
                opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        except BaseException:
            opened.close()
            raise
        connection.sock = opened
        return connection

    def _asked(self) -> http.client.HTTPResponse:
        at = self._at
        target = (at.path or "/") + (f"?{at.query}" if at.query else "")
        if isinstance(self._connection, http.client.HTTPSConnection) or self._connection.sock is not None:
            asked = target
        else:  # a proxy is asked for the whole address
            asked = f"{at.scheme}://{at.netloc}{target}"
        asked = "".join(letter if ord(letter) < 127 else _quoted(letter) for letter in asked)
        headers = {"Host": at.netloc.encode("idna").decode(), "User-Agent": "lunalux", "Accept": "*/*"}
        try:
            self._connection.request("GET", asked, headers={**headers, "Accept-Encoding": "identity"})
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> NetworkError:
        told = shown(self._address)
        reason = clean_line(str(getattr(error, "strerror", "") or error or type(error).__name__), 200)
        return NetworkError(
            "ADDRESS_UNREACHABLE",
            f"{told} cannot be reached: {reason}.",
            "Check the address and your connection.",
            address=told,
            reason=reason,
        )


def _is_literal(host: str) -> bool:
    with suppress(ValueError):
        ip_address(host)
        return True
    return False


def _quoted(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "replace"))


def file_name(at: SplitResult, disposition: str = "") -> str:
    """What to call a file here: a plain name, whatever the server says. Its content decides what it is."""
    named = _FILE_NAME.search(disposition)
    name = unquote(named[1]) if named else unquote(at.path)
    name = PurePosixPath(name.replace("\\", "/")).name
    name = re.sub(r'[<>:"|?*%/\\]', "_", clean_line(name, 500)).strip(". ")
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending) > 10:
        stem, ending = name, ""
    # Cut by bytes, then half a character at the end is dropped.
    stem = stem[:LONGEST_NAME].encode()[:LONGEST_STEM].decode(errors="ignore").strip(". ") or "download"
    return f"{stem}.{ending}" if ending else stem


def _write(path: Path, reply: _Reply, address: str, progress: Progress) -> None:
    """Raises as `_whole`, and StorageError where the disk refuses; nothing is left of the file then."""
    size = 0
    try:
        with path.open("wb") as file:
            for piece in _whole(reply, address):
                file.write(piece)
                size += len(piece)
                progress(size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise storage_error(error, path.parent) from error
    except LunaluxError:
        path.unlink(missing_ok=True)
        raise


def _whole(reply: _Reply, address: str) -> Iterator[bytes]:
    """All of a file. Raises ADDRESS_IS_A_PAGE, DOWNLOAD_TOO_LARGE, ADDRESS_UNREACHABLE."""
    size = 0
    try:
        for piece in reply.pieces():
            # Some hosts send their page for a missing file with the type of a file.
            if not size and _PAGE.match(piece[:4096]):
                raise _page(address)
            size += len(piece)
            if size > LARGEST:
                raise _too_large(address)
            yield piece
        expected = reply.header("content-length")
        # The length is that of the packed bytes, so it tells nothing of what was unpacked.
        if expected.isdecimal() and not reply.header("content-encoding") and size < int(expected):
            raise http.client.IncompleteRead(b"")
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise NetworkError(
            "ADDRESS_UNREACHABLE",
            f"{shown(address)} was cut off.",
            "Try again.",
            address=shown(address),
            reason=type(error).__name__,
            kind="cut",
        ) from error


def _page(address: str) -> InvalidInput:
    return InvalidInput(
        "ADDRESS_IS_A_PAGE",
        f"{shown(address)} is a web page, not a file.",
        "Use the address behind its download button, or download the file and import that.",
        address=shown(address),
    )


def _too_large(address: str) -> LimitExceeded:
    return LimitExceeded(
        "DOWNLOAD_TOO_LARGE",
        f"The file at {shown(address)} is larger than {LARGEST // 2**20} MB.",
        "Nothing of it was kept.",
        address=shown(address),
        limit=LARGEST // 2**20,
    )
