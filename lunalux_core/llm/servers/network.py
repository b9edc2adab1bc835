"""The way to a model server: which proxy the environment names, whose certificates count, and what stood in
the way when nothing came through.

The environment's variables are read here and not by the HTTP library, which raises on many that people have:
IPv6 addresses and ranges in NO_PROXY, `socks://` as GNOME writes it, a certificate file that is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Obstacle = Literal["certificate", "dns", "refused", "tls", "proxy", "closed", ""]

PROBE_SECONDS = 2
CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and the variable that names it. `place` is its host and port, never its password."""

    url: str
    variable: str
    place: str


def is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def same_origin(url: str, other: str) -> bool:
    """Whether two addresses are of the same server: scheme, host and port."""
    origin = _origin(url)
    return origin is not None and origin == _origin(other)


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None


# -- proxies -----------------------------------------------------------------------------------------


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy for an address, None where it is reached directly: by NO_PROXY, or on this machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    values = _variables(os.environ if environ is None else environ)
    if is_loopback(host) or _bypassed(
        values.get("no_proxy", ("", ""))[1], host, parts.port or _PORTS.get(parts.scheme, 0)
    ):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        variable, value = values.get(name, ("", ""))
        if value:
            return _proxy(value, variable)
    return _of_the_system(parts.scheme, host) if environ is None else None


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Variables about proxies by their lower-case name, as (name as written, value); lower case wins."""
    variables: dict[str, tuple[str, str]] = {}
    for name in sorted(environ):  # capitals come first
        if name.lower().endswith("_proxy") and environ[name].strip():
            variables[name.lower()] = (name, environ[name].strip())
    return variables


def _of_the_system(scheme: str, host: str) -> Proxy | None:
    """What Windows or macOS have set, where the environment says nothing."""
    from urllib.request import getproxies, getproxies_environment, proxy_bypass

    if getproxies_environment():
        return None
    try:
        value = getproxies().get(scheme, "")
        return _proxy(value, "the system's settings") if value and not proxy_bypass(host) else None
    except OSError:
        return None


def _proxy(value: str, variable: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    scheme, _, rest = url.partition("://")
    scheme = {"socks": "socks5", "socks5h": "socks5h"}.get(scheme.lower(), scheme.lower())
    place = rest.rpartition("@")[2].split("/")[0]
    return Proxy(f"{scheme}://{rest.rstrip('/')}", variable, place)


def usable(proxy: Proxy) -> bool:
    """Whether the proxy is one that can be spoken with at all."""
    try:
        parts = urlsplit(proxy.url)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _bypassed(no_proxy: str, host: str, port: int) -> bool:
    """Whether NO_PROXY names a host: by name, by a domain above it, as an address or in a range of them."""
    return any(_names(entry.strip().lower(), host, port) for entry in no_proxy.replace(" ", ",").split(","))


def _names(entry: str, host: str, port: int) -> bool:
    if not entry:
        return False
    entry = entry.partition("://")[2] or entry
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").lstrip("*").strip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


# -- certificates ------------------------------------------------------------------------------------


def certificates() -> ssl.SSLContext:
    """The certificates that count: those of all files and folders that the environment names and that are
    there, else the usual ones."""
    import httpx

    context = ssl.create_default_context()
    named = [_loaded(context, os.environ.get(name, "")) for name in (*CERTIFICATE_FILES, "SSL_CERT_DIR")]
    return context if any(named) else httpx.create_ssl_context(trust_env=False)


def _loaded(context: ssl.SSLContext, place: str) -> bool:
    """Whether certificates of a file or folder count from now on; one that cannot be used is done without."""
    if not place or not Path(place).exists():
        return False
    try:
        if Path(place).is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    except (OSError, ValueError):
        return False
    return True


# -- what stood in the way ---------------------------------------------------------------------------


def diagnosis(error: BaseException, proxy: Proxy | None) -> tuple[Obstacle, str]:
    """Why no connection came about, and what more there is to name: the proxy, or the certificate's fault."""
    chain = tuple(_causes(error))
    names = {type(cause).__name__ for cause in chain}
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate", cause.verify_message or str(cause)
    if "ProxyError" in names:
        return "proxy", f"{proxy.place} ({proxy.variable})" if proxy else ""
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return "tls", cause.reason or ""
    if proxy is not None:
        return "proxy", f"{proxy.place} ({proxy.variable})"
    if any(isinstance(cause, socket.gaierror) for cause in chain):
        return "dns", ""
    if any(isinstance(cause, ConnectionRefusedError) for cause in chain) or "refused" in str(error).lower():
        return "refused", ""
    text = str(error)
    if "RemoteProtocolError" in names and ("\\x15\\x03" in text or "illegal status line" in text.lower()):
        return "tls", ""
    return ("closed" if names & {"RemoteProtocolError", "ReadError", "ConnectionResetError"} else ""), ""


async def speaks_tls(url: str) -> bool:
    """Whether a server that hung up on plain http would speak https at the same port."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, groups taken apart."""
    seen: list[BaseException] = [error]
    for cause in seen:
        yield cause
        more = [
            cause.__cause__,
            cause.__context__,
            *(cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()),
        ]
        seen += [
            cause for cause in more if cause is not None and all(cause is not earlier for earlier in seen)
        ]
