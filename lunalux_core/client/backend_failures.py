"""What the backend refuses, as errors a person understands.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lunalux_core.diagnostics.redaction import REDACTED, redact
from lunalux_core.errors import (
    BackendError,
    LunaluxError,
    NetworkError,
    NotFound,
    PaymentError,
    SessionError,
)
from lunalux_core.text import clean_line

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "UNAUTHORIZED": (
        "You are not signed in.",
        "Sign in with `lunalux account login`, or in the user screen.",
    ),
    "SESSION_TAKEN_OVER": (
        "Your account was signed in on another device, so this one is signed out.",
        "Sign in again to go on here; nothing of yours is lost.",
    ),
    "BAD_CREDENTIALS": (
        "That e-mail and password do not fit together.",
        "Check both, or reset the password.",
    ),
    "USER_NOT_CONFIRMED": ("This account is not confirmed yet.", "Enter the code from the mail first."),
    "EMAIL_TAKEN": ("There is an account with this e-mail already.", "Sign in instead."),
    "WEAK_PASSWORD": (
        "The password needs at least 8 characters and must not be easy to guess.",
        "Take a longer one, such as a few words that have nothing to do with each other.",
    ),
    "CODE_INVALID": ("That code is not right.", "Check it, or ask for a new one."),
    "CODE_EXPIRED": ("That code is too old.", "Ask for a new one."),
    "USERNAME_TAKEN": ("Somebody has this username already.", "Choose another one."),
    "USERNAME_INVALID": (
        "This username cannot be used.",
        "Use 3 to 24 letters and digits, single spaces or _ - . ' between them; some names are reserved.",
    ),
    "INSUFFICIENT_FUNDS": (
        "Your coins do not cover this reply.",
        "Choose a cheaper model, redeem a coupon, or use a model of your own.",
    ),
    "PAYMENT_NOT_SUPPORTED": (
        "This model cannot be paid with your level and coins.",
        "Choose another model.",
    ),
    "BILLING_FAILED": (
        "The wallet changed while paying, so nothing was charged.",
        "Try again.",
    ),
    "COUPON_INVALID_OR_USED": (
        "This coupon does not exist, is used up, or was redeemed by you before.",
        "Check its letters and digits.",
    ),
    "MODEL_NOT_FOUND": ("This official model is not offered.", "Choose another model."),
    "WALLET_NOT_FOUND": ("This account has no wallet yet.", "Sign in again."),
    "CHARACTER_NOT_FOUND": ("This character is not in the market.", "Refresh the market."),
    "LLM_FAILED": ("The official model failed; nothing was charged.", "Try again, or choose another model."),
    "LLM_TIMEOUT": ("The official model took too long; nothing was charged.", "Try again."),
    "LLM_CONFIG_INVALID": ("This official model is not set up on the server.", "Choose another model."),
    "OPERATION_IN_PROGRESS": ("This reply is still being made.", "Wait a moment and try again."),
    "RATE_LIMITED": ("That was too often.", "Wait a little and try again."),
    "URL_EXPIRED": ("The address of this file has run out.", "Refresh the market and try again."),
    "UPLOAD_REFUSED": ("The storage did not take the file.", "Try again; check the clock of this computer."),
    "UPLOAD_NOT_FOUND": ("The upload is not there any more.", "Publish again."),
    "IDEMPOTENCY_MISMATCH": (
        "This reply was asked for before with other words.",
        "Send your message again.",
    ),
    "FORBIDDEN": ("This belongs to somebody else.", "Only its owner can change it."),
    "TOO_LARGE": ("This is larger than the server takes.", "Make it smaller."),
    "INVALID_CARD": (
        "The server does not accept this file as a card.",
        "Check it with `lunalux character validate`.",
    ),
    "INTRO_REQUIRED": ("A published character needs an intro.", "Write one or two sentences about it."),
    "STORE_UNAVAILABLE": (
        "The service's storage does not answer.",
        "Try again in a moment; for storage of your own on AWS, run `lunalux admin provision` once.",
    ),
    "VERSION_CONFLICT": ("Somebody changed this meanwhile.", "Refresh and try again."),
}
_PAYMENT = {"PAYMENT_NOT_SUPPORTED", "INSUFFICIENT_FUNDS", "BILLING_FAILED"}
_SESSION = {"UNAUTHORIZED", "SESSION_TAKEN_OVER"}
_MISSING = {
    "NOT_FOUND",
    "CHARACTER_NOT_FOUND",
    "MODEL_NOT_FOUND",
    "WALLET_NOT_FOUND",
    "USER_NOT_FOUND",
    "UPLOAD_NOT_FOUND",
}


def session_refusal(code: str) -> SessionError:
    """The error for a session that is not there (UNAUTHORIZED) or no longer ours (SESSION_TAKEN_OVER)."""
    return SessionError(code, *_SENTENCES[code])


MOST_SAID = 200
"""Characters of a server's own sentence that are told."""


def refusal(
    code: str, message: str, retry_after: float | None = None, secrets: Sequence[str] = ()
) -> LunaluxError:
    """The error for a failure envelope. The server's own sentence is used for codes without one of ours.

    Args:
        message: what the server says; control characters are removed, also from `code`.
        secrets: credentials of ours, taken out of what the server says.
    """
    # Cut last: a credential that was cut in two would not be found.
    code = _without(clean_line(code, 8 * MOST_SAID), secrets)[:60] or "REFUSED"
    message = _said(message, secrets)
    sentence = _SENTENCES.get(code)
    text, hint = sentence or (message or f"The server refused: {code}.", "Try again.")
    params = {} if retry_after is None else {"seconds": retry_after}
    if code in _SESSION:
        return session_refusal(code)
    if code in _PAYMENT:
        return PaymentError(code, text, hint, **params)
    if code in _MISSING:
        return NotFound(code, text, hint, **params)
    return BackendError(code, text, hint, detail=message, **params)


def _said(message: str, secrets: Sequence[str]) -> str:
    """A server's sentence without controls, then without credentials: a control may have split one."""
    return clean_line(_without(redact(clean_line(message, 8 * MOST_SAID)), secrets), MOST_SAID)


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        # A shorter one might occur in ordinary words, which would be blotted out.
        if len(secret) >= 6:
            text = text.replace(secret, REDACTED)
    return text


def trouble(place: str, status: int) -> NetworkError:
    """The server, or what stands before it, failed without an answer of ours."""
    return NetworkError(
        "BACKEND_TROUBLE",
        f"The Lunalux backend at {place} is out of order (status {status}).",
        "Everything that is on disk goes on working; try again later.",
        place=place,
        status=status,
    )


def unreachable(place: str, reason: str) -> NetworkError:
    return NetworkError(
        "BACKEND_UNREACHABLE",
        f"The Lunalux backend at {place} does not answer.",
        "Everything that is on disk goes on working; try again when the network is back.",
        place=place,
        reason=reason,
    )


def cut(place: str) -> NetworkError:
    return NetworkError(
        "BACKEND_CUT",
        f"The connection to {place} broke in the middle.",
        "Try again; a reply that was paid for is delivered without paying twice.",
        place=place,
    )


def nonsense(place: str, status: int) -> NetworkError:
    return NetworkError(
        "BACKEND_BAD_ANSWER",
        f"{place} answered with something that is no Lunalux backend (status {status}).",
        "Check LUNALUX_API_URL.",
        place=place,
        status=status,
    )
