"""The server against its own description, by schemathesis: fitting and unfitting requests to every operation.

Whatever is sent, the answer is one that the description names, in its media type and of its schema; never
a 5xx. Seeded, so that what failed fails again. The fast part tries each operation a little over SQLite; the
slow one runs the whole tool, stateful chains of requests included, over both storages.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from served_engines import served, served_on_aws

from lunalux_core.backend.web.refusals import STATUS

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 6
DEEP_EXAMPLES = 60
SEED = 20261123
ENDS_SESSIONS = ("/api/auth/signout", "/api/auth/refresh")
NO_INPUT = {("POST", "/api/auth/signout"), ("GET", "/health"), ("GET", "/ready")}
"""Nothing about a request to these can be wrong."""


class Somebody:
    """An account that signs in again when a random request has ended its session. Its password is in no
    example of the description, or an example would erase it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.body = {"email": "random@example.org", "password": "a password that no example has"}
        assert self.http.post("/api/auth/signup", json=self.body).status_code == 200
        self.sign_in()
        assert self.http.post("/api/user/init", json={}, headers=self.headers).status_code == 200

    def sign_in(self) -> None:
        answer = self.http.post("/api/auth/signin", json=self.body).json()
        self.headers = {"x-user-id": answer["userId"], "x-session-token": answer["sessionToken"]}


def checks() -> list[Callable[..., Any]]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as openapi

    return [
        not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_headers_conformance,
        openapi.response_schema_conformance,
    ]


def assert_code_is_described(operation: Any, response: Any) -> None:
    """Beyond the status: the envelope's code is one that the operation's description names."""
    answer = response.json()
    described = operation.definition.raw["responses"][str(response.status_code)]["content"][
        "application/json"
    ]
    assert answer["code"] in described["examples"], (operation.label, answer)
    assert STATUS[answer["code"]] == response.status_code and "Traceback" not in response.text


def test_random_requests_get_described_answers(tmp_path: Path) -> None:
    modes = schemathesis.GenerationMode
    with served(tmp_path) as server:
        somebody = Somebody(server.url)
        schema = schemathesis.openapi.from_dict(somebody.http.get("/openapi.json").json())
        schema.config.update(base_url=server.url)
        tried = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (modes.POSITIVE, modes.NEGATIVE):
                if mode is modes.POSITIVE or (operation.method.upper(), operation.path) not in NO_INPUT:
                    try_operation(operation, mode, somebody)
                    tried += 1
        assert tried >= 70


def try_operation(operation: Any, mode: Any, somebody: Somebody) -> None:
    wanted = checks()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        response = case.call(headers=somebody.headers)
        case.validate_response(response, checks=wanted)
        if response.status_code >= 400:
            assert_code_is_described(operation, response)
        if operation.path in ENDS_SESSIONS:
            somebody.sign_in()

    answers()


def test_the_checks_see_an_answer_that_is_not_described(tmp_path: Path) -> None:
    """A control: the same requests against a description that promises less than the server does."""
    with served(tmp_path) as server:
        somebody = Somebody(server.url)
        document = somebody.http.get("/openapi.json").json()
        del document["paths"]["/api/user/username"]["post"]["responses"]["400"]
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=server.url)
        operation = schema["/api/user/username"]["POST"]
        with pytest.raises((AssertionError, BaseExceptionGroup), match=r"ndocumented|400"):
            try_operation(operation, schemathesis.GenerationMode.NEGATIVE, somebody)


@pytest.mark.slow
@pytest.mark.parametrize("start", [served, served_on_aws])
def test_the_whole_tool_finds_nothing(start: Any, tmp_path: Path) -> None:
    """Examples, boundaries, random requests and chains of them. Accounts' own rules (a plain password, a
    reserved name) refuse what fits the schema, and unknown members are ignored (`wire.wire_body`), so the two
    checks that hold schemas to be the whole truth are left out."""
    with start(tmp_path) as server:
        somebody = Somebody(server.url)
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(DEEP_EXAMPLES)),
            *("--exclude-checks", "positive_data_acceptance,negative_data_rejection"),
            *("--exclude-path-regex", "|".join(ENDS_SESSIONS), "--seed", str(SEED)),
            *("--generation-database", "none", "--no-color", "--request-timeout", "60"),
            *(f"--header={name}: {value}" for name, value in somebody.headers.items()),
        ]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
