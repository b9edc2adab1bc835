"""The API's description: which codes a route answers with, and an example for every body.

Examples are one table beside the routes, so that the routes stay readable; `describe` weaves them in.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from lunalux_core.backend.web.refusals import STATUS
from lunalux_core.wire.wire_body import Failure

Json = dict[str, Any]

SESSION = ("UNAUTHORIZED", "SESSION_TAKEN_OVER")
"""What every protected route may answer."""

_SESSION_HEADERS = {"userId": "x-user-id", "sessionToken": "x-session-token"}
_ALWAYS = ("STORE_UNAVAILABLE",)
_UNBOUND = {"title", "type", "default", "description"}
"""What a schema says of a parameter that takes any text."""


def answers(*codes: str) -> dict[int | str, Json]:
    """The `responses=` of a route: its error codes by status, each with the envelope as example."""
    by_status: dict[int | str, Json] = {}
    for code in (*codes, *_ALWAYS):
        status = STATUS[code]
        entry = by_status.setdefault(
            status, {"model": Failure, "description": "", "content": {"application/json": {"examples": {}}}}
        )
        entry["description"] = f"{entry['description']}, {code}".strip(", ")
        entry["content"]["application/json"]["examples"][code] = {
            "value": {"success": False, "code": code, "message": "One sentence for people."}
        }
    return by_status


_USER_ID = "1d9f7f6e-3f60-4c4e-9f0b-0f6f6a3f2a11"
_CARD_ID = "6f0c2c1e-7f5b-4d55-8b1c-2f8a3a1b9c77"
_WALLET = {"userId": _USER_ID, "luxLevel": 0, "starCoin": 95, "lunaCoin": 100}
_LEDGER = {
    "userId": _USER_ID,
    "totalStarCoinUsed": 5,
    "totalStarCoinGain": 100,
    "totalLunaCoinUsed": 0,
    "totalLunaCoinGain": 100,
}
_INVITE = {
    "userId": _USER_ID,
    "inviteCode": "K7Q2M9XW4TRB",
    "totalInvites": 3,
    "unissuedRewardCount": 3,
    "threshold": 5,
    "milestoneRewardStar": 50,
}
_USER = {"id": _USER_ID, "email": "ada@example.org", "username": "Ada"}
_TOKEN = "eyJ1IjoiMWQ5ZiJ9.c2lnbmF0dXJl"
_CREDENTIALS = {"email": "ada@example.org", "password": "four unrelated quiet words"}
_PAGE: Json = {
    "success": True,
    "characters": [
        {
            "id": _CARD_ID,
            "name": "Mira",
            "thumbnailUrl": "https://bucket.example/characters/thumbs/6f0c2c1e.webp?signature=…",
            "language": "en",
            "likedCount": 12,
            "downloadCount": 40,
            "totalCoinUsed": 96,
            "intro": "Keeps the lighthouse, and its secrets.",
            "tags": ["mystery", "sea"],
        }
    ],
    "cacheTtlMillis": 600000,
    "nextKey": "eyJ2IjoxfQ.c2lnbmF0dXJl",
}
_UPLOAD = {"filename": "mira.png", "size": 524288}

REQUESTS: dict[str, Json] = {
    "SignUpRequest": {**_CREDENTIALS, "referralCode": "K7Q2M9XW4TRB"},
    "ConfirmRequest": {"email": "ada@example.org", "code": "493027"},
    "EmailRequest": {"email": "ada@example.org"},
    "SignInRequest": _CREDENTIALS,
    "ResetRequest": {**_CREDENTIALS, "code": "493027"},
    "InitRequest": {"email": "ada@example.org"},
    "UsernameRequest": {"username": "Ada"},
    "EraseRequest": {"password": _CREDENTIALS["password"]},
    "RedeemRequest": {"coupon": "SPRING-7QK2-M9XW-4TRB-Q8ZD"},
    "SubmitRequest": {
        "userId": _USER_ID,
        "modelId": "001",
        "systemMessage": "You are Mira, who keeps a lighthouse.",
        "userMessage": "Good evening. Is the lamp lit?",
        "language": "en",
        "characterId": _CARD_ID,
        "temperature": 0.8,
        "maxTokens": 800,
    },
    "PresignUploadRequest": _UPLOAD,
    "PublishRequest": {
        "s3Key": "characters/original/0f3a9c1d2e4b5a67/6f0c2c1e.png",
        "language": "en",
        "intro": "Keeps the lighthouse, and its secrets.",
        "tags": ["mystery", "sea"],
    },
    "MoreRequest": {"lang": "en", "exclusiveStartKey": "eyJ2IjoxfQ.c2lnbmF0dXJl"},
    "LikeRequest": {"characterId": _CARD_ID},
    "ReportRequest": {"characterId": _CARD_ID, "reason": "Shows a real person."},
    "EditRequest": {"intro": "Keeps two lighthouses now.", "version": 1},
}

RESPONSES: dict[str, Json] = {
    "Success": {"success": True},
    "SignUpResponse": {"success": True, "userId": _USER_ID, "confirmed": True},
    "SignInResponse": {
        "success": True,
        "sessionToken": _TOKEN,
        "userId": _USER_ID,
        "email": "ada@example.org",
        "username": "Ada",
    },
    "RefreshResponse": {"success": True, "sessionToken": _TOKEN, "userId": _USER_ID},
    "SessionValidResponse": {"success": True, "userId": _USER_ID},
    "InitResponse": {"success": True, "user": _USER, "wallet": _WALLET, "ledger": _LEDGER, "invite": _INVITE},
    "MeResponse": {"success": True, "user": _USER},
    "WalletResponse": {"success": True, "wallet": _WALLET},
    "LedgerResponse": {"success": True, "ledger": _LEDGER},
    "InviteResponse": {"success": True, "invite": _INVITE},
    "HistoryResponse": {
        "success": True,
        "movements": [
            {
                "id": "f2b1c7de-0c55-4f8e-9a51-7f3f4d2b8a10",
                "kind": "charge",
                "currency": "star",
                "amount": -5,
                "status": "SETTLED",
                "createdAt": "2026-03-01T20:15:00.000Z",
                "modelId": "002",
            }
        ],
    },
    "SettleResponse": {
        "success": True,
        "settledTimes": 1,
        "rewardStar": 50,
        "wallet": _WALLET,
        "ledger": _LEDGER,
        "invite": _INVITE,
    },
    "RedeemResponse": {
        "success": True,
        "currency": "star",
        "amount": 50,
        "wallet": _WALLET,
        "ledger": _LEDGER,
    },
    "ModelConfigsResponse": {
        "success": True,
        "configs": [
            {
                "displayname": "Lantern",
                "modelType": "openai",
                "modelName": "lantern-small",
                "modelId": "001",
                "freeLevel": 1,
                "allowStar": True,
                "allowLuna": True,
                "starCost": 5,
                "lunaCost": 2,
                "sortOrder": 10,
            }
        ],
    },
    "SubmitResponse": {
        "success": True,
        "content": "Lit since dusk. Come in, the stairs are dry.",
        "wallet": _WALLET,
        "billing": {"method": "star", "cost": 5, "modelId": "001"},
        "ledgerSummary": _LEDGER,
    },
    "CharacterPageResponse": _PAGE,
    "PresignUploadResponse": {
        "success": True,
        "url": "https://bucket.example/characters/original/0f3a/6f0c.png?signature=…",
        "key": "characters/original/0f3a9c1d2e4b5a67/6f0c2c1e.png",
        "headers": {"Content-Type": "image/png"},
        "expiresIn": 900,
    },
    "UploadDirectResponse": {"success": True, "key": "characters/original/0f3a9c1d2e4b5a67/6f0c2c1e.png"},
    "PublishResponse": {"success": True, "id": _CARD_ID},
    "PresignOriginalResponse": {"success": True, "url": "https://bucket.example/…png?signature=…"},
    "LikedResponse": {"success": True, "characterIds": [_CARD_ID]},
    "OwnCharactersResponse": {
        "success": True,
        "characters": [{**card, "status": "active"} for card in _PAGE["characters"]],
    },
}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell what the server does: 400 instead of 422, examples, the true error codes."""
    plain = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _woven(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _woven(schema: Json) -> Json:
    for path in schema["paths"].values():
        for operation in path.values():
            _correct(operation)
            if str(STATUS["SESSION_TAKEN_OVER"]) in operation["responses"]:
                operation["security"] = [{name: [] for name in _SESSION_HEADERS}]
            _exemplify(operation)
    schema["components"]["securitySchemes"] = {
        name: {"type": "apiKey", "in": "header", "name": header} for name, header in _SESSION_HEADERS.items()
    }
    for leftover in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(leftover, None)
    return schema


def _correct(operation: Json) -> None:
    responses = operation["responses"]
    automatic = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if automatic.get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]
    if "requestBody" in operation:
        _add(responses, "TOO_LARGE")
    if "requestBody" in operation or any(_may_be_wrong(p["schema"]) for p in operation.get("parameters", ())):
        _add(responses, "INVALID_REQUEST")


def _may_be_wrong(schema: Json) -> bool:
    """Whether a parameter of this schema can be refused."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return any(kind.get("type") != "string" or set(kind) - _UNBOUND for kind in kinds)


def _add(responses: Json, code: str) -> None:
    """Name a code among the answers of an operation, which may have its status already for others."""
    ((status, entry),) = ((s, e) for s, e in answers(code).items() if s == STATUS[code])
    del entry["model"]
    entry["content"]["application/json"]["schema"] = {"$ref": "#/components/schemas/Failure"}
    response = responses.setdefault(str(status), entry)
    examples = response["content"]["application/json"]["examples"]
    if code not in examples:
        response["description"] += f", {code}"
        examples |= entry["content"]["application/json"]["examples"]


def _exemplify(operation: Json) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and (name := _named(body["schema"])) in REQUESTS:
        body["example"] = REQUESTS[name]
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json")
    if answer is not None and (name := _named(answer.get("schema", {}))) in RESPONSES:
        answer["example"] = RESPONSES[name]


def _named(schema: Json) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
