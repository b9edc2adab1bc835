"""The error codes, their HTTP status, and the envelope that carries them.

No web framework here: the code below the routes raises the same errors.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lunalux_core.errors import (
    BackendError,
    InvalidInput,
    LimitExceeded,
    LunaluxError,
    NetworkError,
    NotFound,
    PaymentError,
    ProviderError,
    SessionError,
    StorageError,
)

STATUS: Mapping[str, int] = {
    "INVALID_REQUEST": 400,
    "WEAK_PASSWORD": 400,
    "CODE_INVALID": 400,
    "CODE_EXPIRED": 400,
    "USERNAME_INVALID": 400,
    "USER_ID_REQUIRED": 400,
    "MODEL_ID_REQUIRED": 400,
    "COUPON_INVALID_OR_USED": 400,
    "INTRO_REQUIRED": 400,
    "INVALID_CARD": 400,
    "UNAUTHORIZED": 401,
    "BAD_CREDENTIALS": 401,
    "PAYMENT_NOT_SUPPORTED": 402,
    "INSUFFICIENT_FUNDS": 402,
    "BILLING_FAILED": 402,
    "USER_NOT_CONFIRMED": 403,
    "USER_MISMATCH": 403,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "USER_NOT_FOUND": 404,
    "WALLET_NOT_FOUND": 404,
    "MODEL_NOT_FOUND": 404,
    "CHARACTER_NOT_FOUND": 404,
    "UPLOAD_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "EMAIL_TAKEN": 409,
    "USERNAME_TAKEN": 409,
    "VERSION_CONFLICT": 409,
    "OPERATION_IN_PROGRESS": 409,
    "PRICE_CHANGED": 409,
    "OBJECT_EXISTS": 412,
    "TOO_LARGE": 413,
    "IDEMPOTENCY_MISMATCH": 422,
    "RATE_LIMITED": 429,
    "SESSION_TAKEN_OVER": 460,
    "INTERNAL_ERROR": 500,
    "LLM_CONFIG_INVALID": 500,
    "LLM_FAILED": 502,
    "STORE_UNAVAILABLE": 503,
    "LLM_TIMEOUT": 504,
}
"""Every code a client can meet, with its HTTP status."""

# The first that fits counts, so a kind stands before the one that it is derived from.
_KINDS: tuple[tuple[type[LunaluxError], str], ...] = (
    (LimitExceeded, "TOO_LARGE"),
    (InvalidInput, "INVALID_REQUEST"),
    (NotFound, "NOT_FOUND"),
    (StorageError, "STORE_UNAVAILABLE"),
    (ProviderError, "LLM_FAILED"),
    (NetworkError, "LLM_FAILED"),
    (SessionError, "UNAUTHORIZED"),
    (PaymentError, "BILLING_FAILED"),
)
STORE_RETRY_SECONDS = 2


def refuse(code: str, message: str, **params: object) -> BackendError:
    """The error a route raises to answer with `code`."""
    assert code in STATUS, code
    return BackendError(code, message, "", **params)


def rate_limited(seconds: float) -> BackendError:
    """Too many requests; `seconds` until the next one may come."""
    return refuse(
        "RATE_LIMITED", "Too many requests; please wait a little.", retry_after=max(1, math.ceil(seconds))
    )


def public_code(error: LunaluxError) -> str:
    """The documented code for an error: its own where it is one, else that of its kind."""
    if error.code in STATUS:
        return error.code
    return next((code for kind, code in _KINDS if isinstance(error, kind)), "INTERNAL_ERROR")


def failure_body(error: LunaluxError) -> dict[str, Any]:
    """The envelope for `error`, also the data of a stream's `error` event."""
    code = public_code(error)
    # What went wrong inside is for the log; strangers are told that it did.
    hidden = code in {"INTERNAL_ERROR", "STORE_UNAVAILABLE"} and error.code != code
    message = QUIET[code] if hidden else error.message
    body: dict[str, Any] = {"success": False, "code": code, "message": message}
    return body | ({"config": error.params["config"]} if "config" in error.params else {})


QUIET = {
    "INTERNAL_ERROR": "The server failed; the error was logged.",
    "STORE_UNAVAILABLE": "The service's storage does not answer; please try again.",
}
