"""Every operation of the API's own description, a request that fits it, and a record of answers.

Two tests share it: the tour of every documented code, and the random requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from api_support import PASSWORD, Person, card_png
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Met = tuple[str, str, int, str]
"""Method, path as in the description, status, and the code where it was a refusal."""
Request = dict[str, Any]

LIFE = (("get", "/health"), ("get", "/ready"))
"""For load balancers; they ask for nothing and take nothing."""
CODE = {"email": "nobody@example.org", "code": "123456"}
CARD = {"characterId": "some-id"}

FITTING: dict[tuple[str, str], Request] = {
    ("post", "/api/auth/signup"): {"json": {"email": "new@example.org", "password": PASSWORD}},
    ("post", "/api/auth/confirm"): {"json": CODE},
    ("post", "/api/auth/resend"): {"json": {"email": "nobody@example.org"}},
    ("post", "/api/auth/signin"): {"json": {"email": "ada@example.org", "password": PASSWORD}},
    ("post", "/api/auth/signout"): {},
    ("post", "/api/auth/forgot"): {"json": {"email": "nobody@example.org"}},
    ("post", "/api/auth/reset"): {"json": {**CODE, "password": PASSWORD}},
    ("post", "/api/auth/refresh"): {},
    ("get", "/api/session/validate"): {},
    ("post", "/api/user/init"): {"json": {}},
    ("get", "/api/user/me"): {},
    ("post", "/api/user/erase"): {"json": {"password": "wrong password"}},
    ("post", "/api/user/username"): {"json": {"username": "Lamplighter"}},
    ("get", "/api/wallet/me"): {},
    ("get", "/api/ledger/summary/me"): {},
    ("get", "/api/ledger/history/me"): {},
    ("get", "/api/invite/me"): {},
    ("post", "/api/invite/settle/me"): {},
    ("get", "/api/model-config/list"): {},
    ("post", "/api/coupon/redeem"): {"json": {"coupon": "SOME-COUPON"}},
    ("post", "/api/official-model/submit"): {"json": {"modelId": "001", "userMessage": "Hello."}},
    ("post", "/api/character/presign-upload"): {"json": {"filename": "a.png", "size": 10}},
    ("get", "/api/character/presign-upload"): {"params": {"filename": "a.png", "size": 10}},
    ("post", "/api/character/upload-direct"): {"files": {"file": ("a.png", card_png())}},
    ("post", "/api/character/finalize-publish"): {
        "json": {"s3Key": "some/key.png", "language": "en", "intro": "An intro."}
    },
    ("get", "/api/character/hot-first-page"): {},
    ("get", "/api/character/time-first-page"): {},
    ("get", "/api/character/list"): {},
    ("get", "/api/character/mine"): {},
    ("post", "/api/character/hot-more"): {"json": {}},
    ("post", "/api/character/time-more"): {"json": {}},
    ("get", "/api/character/presign-original"): {"params": {"id": "some-id"}},
    ("get", "/api/character/download-original"): {"params": {"id": "some-id"}},
    ("post", "/api/liked/add"): {"json": CARD},
    ("get", "/api/liked/me"): {},
    ("delete", "/api/character/{character_id}"): {},
    ("patch", "/api/character/{character_id}"): {"json": {"intro": "Another intro."}},
    ("post", "/api/character/report"): {"json": {**CARD, "reason": "It is rude."}},
}  # fmt: skip
"""A well-formed request for each operation; what it names need not be there."""


@dataclass
class Recorder:
    """The app, and all that it was asked and answered."""

    app: ASGIApp
    met: set[Met] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 0, b""

        async def note(message: Message) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            elif status >= 400:
                body += message.get("body", b"")
            await send(message)

        await self.app(scope, receive, note)
        route = scope.get("route")
        if route is not None and scope["method"] in route.methods:
            code = json.loads(body)["code"] if status >= 400 else ""
            self.met.add((scope["method"].lower(), route.path_format, status, code))


def documented(schema: dict[str, Any]) -> set[Met]:
    """All answers that the description promises: each code of each status of each operation."""
    found: set[Met] = set()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if int(status) < 400:
                    found.add((method, path, int(status), ""))
                    continue
                examples = response["content"]["application/json"]["examples"]
                found |= {(method, path, int(status), code) for code in examples}
    return found


def protected(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Operations that want a session, as the description says."""
    return [
        (method, path)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]


@dataclass(frozen=True)
class Ask:
    """Somebody's request: the fitting one with some of its parts changed."""

    person: Person | None
    path: str
    method: str = "post"
    at: str = ""
    """What stands for the parameter in the path."""
    change: Callable[[Request], Request] = dict

    async def send(self, http: httpx.AsyncClient) -> httpx.Response:
        request = self.change(dict(FITTING[self.method, self.path]))
        headers = {**(self.person.headers if self.person else {}), **request.pop("headers", {})}
        address = self.path.replace("{character_id}", self.at or "some-id")
        return await http.request(self.method, address, headers=headers, **request)


def body(**members: Any) -> Callable[[Request], Request]:
    """The fitting body with `members` set; a member that is None is left out."""

    def change(request: Request) -> Request:
        whole = {**request.get("json", {}), **members}
        return {**request, "json": {name: value for name, value in whole.items() if value is not None}}

    return change


def query(**members: Any) -> Callable[[Request], Request]:
    return lambda request: {**request, "params": {**request.get("params", {}), **members}}
