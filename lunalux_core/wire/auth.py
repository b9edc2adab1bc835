"""Bodies of `/api/auth/*`.

See docs/spec/backend.md: HTTP API.
See docs/spec/design.md: Embedded and served.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from lunalux_core.text import normal_email
from lunalux_core.wire.wire_body import Success, Wire

MOST_EMAIL = 254
_EMAIL = r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$"
_UNSEEN = frozenset({"Cc", "Cf"})


def _kept_email(email: str) -> str:
    """The address, if what is kept of it is one, too: some signs become others there, or several."""
    kept = normal_email(email)
    if len(kept) > MOST_EMAIL or not re.fullmatch(_EMAIL, kept):
        raise ValueError("no address")
    # Controls and signs that nobody sees: two addresses would look like one, and act in whatever shows them.
    if any(unicodedata.category(character) in _UNSEEN for character in email + kept):
        raise ValueError("no address")
    return email


# One @ with something at each side: whether mail arrives there, only a mail can tell.
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MOST_EMAIL, pattern=_EMAIL),
    AfterValidator(_kept_email),
]
# Not stripped, unlike the others: a blank may be part of it.
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
# Codes are copied out of mails, often with the blanks around them.
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32)]
ReferralCode = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]


class SignUpRequest(Wire):
    email: Email
    password: Password
    referral_code: ReferralCode | None = None


class SignUpResponse(Success):
    """`confirmed` is true where no mailed code is needed: the embedded account store."""

    user_id: str
    confirmed: bool


class ConfirmRequest(Wire):
    """With `password` only a sign-up that was begun with it is confirmed, nobody else's for that address."""

    email: Email
    code: Code
    password: Password | None = None


class EmailRequest(Wire):
    """Ask for another confirmation code, or for a password reset."""

    email: Email


class SignInRequest(Wire):
    email: Email
    password: Password


class SignInResponse(Success):
    session_token: str
    user_id: str
    email: str
    username: str | None = None


class ResetRequest(Wire):
    email: Email
    code: Code
    password: Password


class RefreshResponse(Success):
    session_token: str
    user_id: str
