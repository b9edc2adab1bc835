"""How many connections an address may hold, and for how long, before its request is complete.

uvicorn waits for a request's head for ever. Here a connection that sends none in time is closed, an address
has a share of all connections, and where all are taken the one that waits longest for its head makes room:
the requests of others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

FLUSH_SECONDS = 30
"""How long a closed connection may take to carry its last bytes to somebody who does not read them."""
SPARE_DESCRIPTORS = 100
"""For the storage, the log, the models and the workers."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Connections in all and from one address, and seconds for a request's head. `trusted` names proxies,
    whose one address stands for many people: addresses and networks with commas between them, or `*`."""

    most: int
    per_address: int
    head_s: float
    trusted: str = "127.0.0.1,::1"


def affordable(most: int) -> int:
    """`most`, or as many as this process may have descriptors for."""
    try:
        import resource
    except ImportError:  # Windows
        return most
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most
    return max(8, min(most, soft - SPARE_DESCRIPTORS if soft > 2 * SPARE_DESCRIPTORS else soft // 2))


class Connections:
    """The open connections of one server. `connections` are uvicorn's own protocol objects."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance, self._clock = allowance, clock
        self._since: dict[Any, float] = {}
        self._closing: dict[Any, float] = {}
        self._by_address: Counter[str] = Counter()
        self._trusts_all = allowance.trusted.strip() == "*"
        self._trusted = [] if self._trusts_all else _networks(allowance.trusted)

    def __len__(self) -> int:
        return len(self._since)

    def protocol(self, base: type[Any]) -> type[asyncio.Protocol]:
        """`base`, a protocol of uvicorn's, with its connections counted here."""
        here = self

        class Counted(base):  # type: ignore[misc]
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                here.came(self)

            def connection_lost(self, exc: Exception | None) -> None:
                here.went(self)
                super().connection_lost(exc)

        return Counted

    def came(self, connection: Any) -> None:
        """A connection was made: keep it, or close it or another one in its place."""
        address = _address(connection)
        self._since[connection] = self._clock()
        self._by_address[address] += 1
        if self._by_address[address] > self._allowance.per_address and not self._is_trusted(address):
            self._make_room(lambda other: _address(other) == address)
        elif len(self._since) > self._allowance.most:
            self._make_room(lambda other: True)

    def went(self, connection: Any) -> None:
        if self._since.pop(connection, None) is None:
            return
        self._closing.pop(connection, None)
        address = _address(connection)
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]

    def look(self) -> None:
        """Once a second: close connections that send no complete head, and cut answers that are not read."""
        now = self._clock()
        for connection in list(self._since):
            if _is_answered(connection):
                self._since[connection] = now
            elif connection.transport.is_closing():
                # A closed connection first sends what it has; somebody who never reads would keep it for
                # ever.
                if now - self._closing.setdefault(connection, now) >= FLUSH_SECONDS:
                    connection.transport.abort()
            elif now - self._since[connection] >= self._allowance.head_s:
                connection.transport.close()

    def _make_room(self, among: Callable[[Any], bool]) -> None:
        """Cut the connection that has waited longest for its head; the newest has no head yet either."""
        waiting = (
            connection for connection in self._since if among(connection) and not _is_answered(connection)
        )
        oldest = min(waiting, key=lambda connection: self._since[connection])
        # It counts as new until it is gone, so that the next one in need does not choose it again.
        self._since[oldest] = self._clock()
        oldest.transport.abort()

    def _is_trusted(self, address: str) -> bool:
        if self._trusts_all:
            return True
        try:
            ip = ip_address(address)
        except ValueError:
            return True  # a socket file: everybody has the same address there
        return any(ip in network for network in self._trusted)


def _networks(text: str) -> list[Any]:
    networks = []
    for part in text.split(","):
        try:
            networks.append(ip_network(part.strip(), strict=False))
        except ValueError:
            continue
    return networks


def _address(connection: Any) -> str:
    client = connection.client
    return str(client[0]) if client else ""


def _is_answered(connection: Any) -> bool:
    """Whether a request's head is whole and its answer is not."""
    cycle = connection.cycle
    return cycle is not None and not cycle.response_complete
