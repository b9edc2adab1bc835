"""Provider keys and the session token: the system keyring, else a file that only its owner can read.

Secrets are returned to the caller and to nobody else: they stand in no setting, log or error message.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.database import storage_error

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "lunalux"


class Credentials:
    """A store of named secrets.

    Args:
        path: the fallback file, mode 0600.
        use_keyring: False keeps to the file (a data folder of its own should not share the system's keyring).
    """

    def __init__(self, path: Path, *, use_keyring: bool) -> None:
        self._path = path
        self._use_keyring = use_keyring

    @property
    def place(self) -> str:
        """Where secrets go: "keyring", or the path of the file."""
        return "keyring" if self._keyring() else str(self._path)

    def get(self, name: str) -> str | None:
        ring = self._keyring()
        if ring is not None:
            try:
                found = ring.get_password(SERVICE, name)
            except Exception:  # a locked or broken keyring must not stop the program
                found = None
            if found is not None:
                return str(found)
        return self._file().get(name)

    def set(self, name: str, secret: str) -> None:
        """Raises StorageError when neither place accepts it."""
        ring = self._keyring()
        if ring is not None:
            try:
                ring.set_password(SERVICE, name, secret)
                return
            except Exception:
                self._use_keyring = False
        self._write({**self._file(), name: secret})

    def delete(self, name: str) -> None:
        ring = self._keyring()
        if ring is not None:
            try:
                ring.delete_password(SERVICE, name)
            except Exception:  # not there, or not reachable: the file is cleaned all the same
                pass
        kept = self._file()
        if kept.pop(name, None) is not None:
            self._write(kept)

    def _keyring(self) -> KeyringBackend | None:
        if not self._use_keyring:
            return None
        import keyring
        from keyring.backends import fail, null

        backend = keyring.get_keyring()
        if isinstance(backend, (fail.Keyring, null.Keyring)):
            self._use_keyring = False
            return None
        return backend

    def _file(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        except OSError as error:
            raise storage_error(error, self._path) from error
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def _write(self, secrets: dict[str, str]) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(secrets, file)
            temporary.replace(self._path)
        except OSError as error:
            raise storage_error(error, self._path) from error
