"""What requests are signed with. Apart from the client, so that knowing who is signed in loads no HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Who is signed in; the token never shows in `repr`. `issued_at` in milliseconds since 1970.

    `proof` is what the backend gave to prove the account again with, where it gave something.
    """

    user_id: str
    token: str
    issued_at: int = 0
    proof: str = ""

    def __repr__(self) -> str:
        return f"SessionKey({self.user_id})"

    def headers(self) -> dict[str, str]:
        return {"x-user-id": self.user_id, "x-session-token": self.token}
