"""Random requests to every operation of the API's own description: always the envelope, never a 5xx."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from api_support import Api, Person, backend, good

from lunalux_core.backend.web.app import create_app
from lunalux_core.backend.web.refusals import STATUS

REQUESTS = 250
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, "", " ", "a", "0", "-1",
    "null", "\x00", "a\x00b", "../../etc/passwd", "#", "USER#x", "CHAR#x", "%00", "ü", "林", "🌙", "\u202e",
    "x" * 300, "x" * 5000, "'; DROP TABLE user_table; --", "{{7*7}}", "<script>", "en", "zh", "fr", "001",
    "002", "ada@example.org", "a@b", "@", "0" * 64, "1e3", "NaN", [], [[]], ["a"] * 12, {}, {"a": {"b": []}},
    "characters/original/0000000000000000/00000000-0000-4000-8000-000000000000.png",
]  # fmt: skip


def invent(chance: random.Random, schema: dict[str, Any], parts: dict[str, Any], known: list[Any]) -> Any:
    """A body or parameter for a schema: often fitting, often not."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    if chance.random() < 0.15:
        return chance.choice(STRANGE)
    if "anyOf" in schema:
        return invent(chance, chance.choice(schema["anyOf"]), parts, known)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        body = {name: invent(chance, s, parts, known) for name, s in members.items() if chance.random() < 0.9}
        return body | ({"surplus": chance.choice(STRANGE)} if chance.random() < 0.2 else {})
    if kind == "array":
        return [invent(chance, schema.get("items", {}), parts, known) for _ in range(chance.randrange(4))]
    if kind == "integer":
        return chance.choice([0, 1, 2, 50, 100, -1, 10**6, 2**63])
    if kind == "number":
        return chance.choice([0, 0.5, 1, -3, 1e9])
    if kind == "boolean":
        return chance.random() < 0.5
    return chance.choice(known + STRANGE) if chance.random() < 0.7 else "x" * chance.randrange(20)


async def send(api: Api, ada: Person, chance: random.Random, known: list[Any], schema: dict[str, Any]) -> Any:
    parts = schema["components"]["schemas"]
    path = chance.choice(list(schema["paths"]))
    method = chance.choice(list(schema["paths"][path]))
    operation = schema["paths"][path][method]
    query = {}
    for parameter in operation.get("parameters", []):
        value = invent(chance, parameter["schema"], parts, known)
        if parameter["in"] == "path":
            path = path.replace(
                f"{{{parameter['name']}}}", str(chance.choice([*known, "a-b"])).replace("/", "-")
            )
        elif parameter["in"] == "query" and not isinstance(value, dict | list):
            query[parameter["name"]] = value
    content = operation.get("requestBody", {}).get("content", {})
    options: dict[str, Any] = {}
    if "application/json" in content:
        options["json"] = invent(chance, content["application/json"]["schema"], parts, known)
    elif content:
        options["files"] = {"file": ("f.png", chance.randbytes(chance.randrange(200)))}
    headers = ada.headers if chance.random() < 0.95 else {}
    try:
        return await api.http.request(method, path, params=query, headers=headers, **options), options
    except (ValueError, UnicodeEncodeError):  # httpx itself will not send this
        return None, options


@pytest.mark.parametrize("seed", range(2))
async def test_no_request_makes_the_server_fail(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with backend(tmp_path) as api:
        ada = await api.person()
        mira = await ada.publish()
        page = good(await ada.get("/api/character/hot-first-page", limit=1))
        known = [ada.user_id, mira, page["nextKey"], await ada.upload(b"not a card"), "002", ada.token]
        schema = create_app(api.services).openapi()
        for _ in range(REQUESTS):
            response, sent = await send(api, ada, chance, known, schema)
            if response is None:
                continue
            if "application/json" not in response.headers.get("content-type", ""):
                assert response.status_code in {200, 304}, (response.request.url, response.status_code)
                continue
            answer = response.json()
            told = (response.request.method, str(response.request.url), sent, answer)
            assert response.status_code < 500 or answer.get("code", "").startswith("LLM_"), told
            assert answer.get("success") is (response.status_code == 200), told
            if response.status_code != 200:
                assert STATUS[answer["code"]] == response.status_code, told
            if response.status_code in {401, 460}:
                ada = await api.sign_in(ada.email) if "reset" not in str(response.request.url) else ada
        assert await api.services.sweeper.check(ada.user_id) == []
