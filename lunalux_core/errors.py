"""The one error tree.

    LunaluxError            code, message, hint, params
    ├── InvalidInput        a file or a value that cannot be used as it is
    │   └── LimitExceeded   too large, too deep, too many
    ├── NotFound            no such character, conversation, model …
    ├── StorageError        disk full, read-only folder, database locked or damaged
    ├── NetworkError        unreachable, timed out, cut in the middle
    ├── ProviderError       a model server answered, and refused
    ├── BackendError        the Lunalux backend answered, and refused
    │   ├── SessionError    sign-in needed, or taken over by another device
    │   └── PaymentError    the wallet does not cover it
    └── PluginError         a plug-in failed

`message` is one plain English sentence and `hint` says what to do next. Front ends translate by
`code` with `params`, so a sentence is never glued from pieces. Nothing here ever holds a key or token.
"""

from __future__ import annotations


class Names(tuple[str, ...]):
    """Several names in the `params` of an error: front ends put the comma of their language between them."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self)


class LunaluxError(Exception):
    """Something a person can act on.

    Args:
        code: stable upper-case name, e.g. ``CARD_NO_METADATA``; also the key of the translation.
        message: one sentence in English.
        hint: what to do about it, one sentence, may be empty.
        params: values named in the translated sentences.
    """

    def __init__(self, code: str, message: str, hint: str = "", **params: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.params = params

    def __str__(self) -> str:
        return self.message


class InvalidInput(LunaluxError):
    """A file or a value that cannot be used as it is."""


class LimitExceeded(InvalidInput):
    """Over one of the limits that protect the program from hostile input."""


class NotFound(LunaluxError):
    """The named thing does not exist."""


class StorageError(LunaluxError):
    """The disk or the database refused."""


class NetworkError(LunaluxError):
    """No answer, or not a whole one."""


class ProviderError(LunaluxError):
    """A model server answered, and refused."""


class BackendError(LunaluxError):
    """The Lunalux backend answered, and refused."""


class SessionError(BackendError):
    """Sign-in is needed, or another device took the session over."""


class PaymentError(BackendError):
    """The wallet does not cover the request, or no coin path is open for it."""


class PluginError(LunaluxError):
    """A plug-in failed or overran its time."""
