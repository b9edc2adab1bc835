"""What the server signs: session tokens, page cursors, blob addresses; and the names of stored objects.

One `Signer` holds the secrets. The purpose is part of what is signed, so that a cursor can never pass for
a token. The first secret signs and every secret is accepted, which lets an operator rotate them.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Purpose = Literal["session", "cursor", "blob"]
CURSOR_VERSION = 1
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class Signer:
    """HMAC-SHA256 over `purpose` and payload; tokens are URL-safe ASCII without padding."""

    def __init__(self, secrets: Sequence[str | bytes]) -> None:
        if not secrets:
            raise ValueError("a signer needs a secret")
        keys = [s.encode() if isinstance(s, str) else s for s in secrets]
        # Prepared once: looking the hash up by its name costs ten times what hashing a token does.
        self._macs = [hmac.new(key, b"lunalux:", "sha256") for key in keys]

    def sign(self, purpose: Purpose, payload: Mapping[str, object]) -> str:
        """`payload` as a signed token. It can be read by everybody and changed by nobody."""
        body = _b64(_canonical(payload).encode())
        # Signed with the first secret and checked with each, so a secret can be replaced while what the
        # former one signed stays good.
        return f"{body}.{_b64(_mac(self._macs[0], purpose, body))}"

    def verify(self, purpose: Purpose, token: str) -> dict[str, Any] | None:
        """The payload, or None for whatever this server did not sign for this purpose."""
        body, dot, mac = token.partition(".")
        # Longer than anything that was signed here: not worth a computation.
        if not dot or len(token) > 8192 or not token.isascii():
            return None
        given = _unb64(mac)
        if given is None or not any(
            hmac.compare_digest(given, _mac(prepared, purpose, body)) for prepared in self._macs
        ):
            return None
        raw = _unb64(body)
        payload = json.loads(raw) if raw is not None else None
        return payload if isinstance(payload, dict) else None


def _mac(prepared: hmac.HMAC, purpose: Purpose, body: str) -> bytes:
    mac = prepared.copy()
    mac.update(f"{purpose}:{body}".encode())
    return mac.digest()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended. It is bound to one listing and scope, so that it cannot be used for others.

    Args:
        listing: which list is paged.
        scope: whose: the language of a market, or the id of an account.
    """

    listing: str
    scope: str
    position: Any
    expires_s: int

    def seal(self, signer: Signer) -> str:
        return signer.sign(
            "cursor",
            {
                "v": CURSOR_VERSION,
                "i": self.listing,
                "l": self.scope,
                "k": self.position,
                "x": self.expires_s,
            },
        )

    @classmethod
    def open(cls, signer: Signer, text: str, *, listing: str, scope: str, now_s: int) -> Cursor | None:
        """The cursor, or None where it was forged, has expired, or belongs to another listing."""
        payload = signer.verify("cursor", text)
        if payload is None or payload.get("v") != CURSOR_VERSION:
            return None
        if (payload.get("i"), payload.get("l")) != (listing, scope) or payload.get("x", 0) <= now_s:
            return None
        return cls(listing, scope, payload.get("k"), payload["x"])


def kept_secret(path: Path) -> bytes:
    """The secret in the file at `path`, made on first use with mode 0600.

    Two programs that start together agree: the file appears whole under its name, once.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(32).hex().encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links: the first rename that finds no file wins
        if not path.exists():
            draft.replace(path)
    draft.unlink(missing_ok=True)
    return path.read_bytes()


def digest(text: str) -> str:
    """SHA-256 in hex: how tokens and codes are stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def original_key(prefix: str, user_id: str, upload_id: str) -> str:
    """The object name of an upload: never a word of the client's. Nothing but uploads begins like it,
    so that a bucket can drop by itself what nobody published."""
    return f"{uploads_prefix(prefix)}{digest(user_id)[:16]}/{upload_id}.png"


def uploads_prefix(prefix: str) -> str:
    return f"{prefix.rstrip('/')}/u-"


def published_key(prefix: str, character_id: str) -> str:
    """The object name of a published card's file."""
    return f"{prefix.rstrip('/')}/published/{character_id}.png"


def thumbnail_key(prefix: str, character_id: str) -> str:
    return f"{prefix.rstrip('/')}/{character_id}.webp"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _b64(data) == text else None  # one spelling per token
