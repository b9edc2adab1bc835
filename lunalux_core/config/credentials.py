"""Provider keys and the session token: the system keyring, else a file that only its owner can read.

Secrets are returned to the caller and to nobody else: they stand in no setting, log or error message. What
is in the file goes before the keyring: it came there because the keyring refused, and so it is newer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.config.file_lock import locked, write_whole
from lunalux_core.database import storage_error
from lunalux_core.errors import LunaluxError, StorageError
from lunalux_core.ids import now_ms

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "lunalux"


class Credentials:
    """A store of named secrets.

    Args:
        path: the fallback file, mode 0600.
        use_keyring: False keeps to the file (a data folder of its own should not share the system's keyring).
        tell: called with what a person should know though nothing failed, as a file that was damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        use_keyring: bool,
        tell: Callable[[LunaluxError], None] = lambda problem: None,
    ) -> None:
        self._path = path
        self._use_keyring = use_keyring
        self._refused = False
        self._tell = tell

    @property
    def place(self) -> str:
        """Where secrets go: "keyring", or the path of the file."""
        return "keyring" if self._keyring() and not self._refused else str(self._path)

    def get(self, name: str) -> str | None:
        return self._find_secret(name, self._file())

    def set(self, name: str, secret: str) -> None:
        """Raises StorageError when neither place accepts it."""
        self.update(name, lambda _before: secret)

    def delete(self, name: str) -> None:
        """Raises StorageError when the file cannot be written."""
        self.update(name, lambda _before: None)

    def update(self, name: str, change: Callable[[str | None], str | None]) -> str | None:
        """Let `change` make the new secret from the one there is; None stands for none.

        No other thread or program changes a secret meanwhile.

        Raises:
            StorageError: neither place accepts it.
        """
        self._make_folder()
        # Read, changed and written under one lock: two programs that renew a session must not undo each
        # other.
        with locked(self._path):
            entries = self._file()
            before = self._find_secret(name, entries)
            after = change(before)
            if after is None or after != before:  # a locked keyring shows nothing, and may hold something
                self._put(name, after, entries)
        return after

    def _put(self, name: str, secret: str | None, entries: dict[str, Any]) -> None:
        ring = self._keyring()
        # What the keyring takes must not stay in the file, which would go before it.
        if ring is not None and self._put_in(ring, name, secret):
            if name in entries:
                del entries[name]
                self._write(entries)
        elif secret is None and ring is None:
            if entries.pop(name, None) is not None:
                self._write(entries)
        else:
            # None in the file says that the one which the keyring still has is no secret any more.
            self._write({**entries, name: secret})

    def _put_in(self, ring: KeyringBackend, name: str, secret: str | None) -> bool:
        """Whether the keyring has taken it; one that refused once is not asked again by this program."""
        if self._refused:
            return False
        try:
            if secret is not None:
                ring.set_password(SERVICE, name, secret)
            elif ring.get_password(SERVICE, name) is not None:
                ring.delete_password(SERVICE, name)
        except Exception:  # locked, broken, or gone: the file takes it
            self._refused = True
        return not self._refused

    def _find_secret(self, name: str, entries: dict[str, Any]) -> str | None:
        if name in entries:
            value = entries[name]
            return value if isinstance(value, str) else None
        ring = self._keyring()
        if ring is None:
            return None
        try:
            secret = ring.get_password(SERVICE, name)
        except Exception:  # a locked or broken keyring must not stop the program
            return None
        return None if secret is None else str(secret)

    def _keyring(self) -> KeyringBackend | None:
        if not self._use_keyring:
            return None
        import keyring
        from keyring.backends import fail, null

        backend = keyring.get_keyring()
        # `fail` and `null` are what keyring gives where there is no keyring.
        if isinstance(backend, (fail.Keyring, null.Keyring)):
            self._use_keyring = False
            return None
        return backend

    def _file(self) -> dict[str, Any]:
        """What the file holds; one that cannot be read is moved aside, never overwritten."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            document = None
        except OSError as error:
            raise storage_error(error, self._path) from error
        if isinstance(document, dict):
            return document
        self._put_aside()
        return {}

    def _put_aside(self) -> None:
        path = self._path.with_name(f"{self._path.stem}-damaged-{now_ms()}{self._path.suffix}")
        try:
            self._path.rename(path)
        except FileNotFoundError:
            return  # another program was faster, and tells it
        except OSError as error:
            raise storage_error(error, self._path) from error
        self._tell(
            StorageError(
                "CREDENTIALS_DAMAGED",
                f"The file with your keys, {self._path}, cannot be read.",
                f"It is kept as {path.name}; enter your keys again, or repair it and put it back.",
                path=str(self._path),
                kept=path.name,
            )
        )

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, self._path) from error

    def _write(self, entries: dict[str, Any]) -> None:
        try:
            write_whole(self._path, json.dumps(entries).encode())
            self._path.chmod(0o600)
        except OSError as error:
            raise storage_error(error, self._path) from error
