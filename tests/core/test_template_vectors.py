"""What SillyTavern 1.18 does with text-completion templates, and where we depart from it on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.scenarios.templates import replay

FOLDER = Path(__file__).resolve().parents[1] / "data" / "vectors"
FILES = ("text", "text-cleanup", "text-activate")


def read(file: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))
    return cases


CASES = [(file, case) for file in FILES for case in read(file)]

NAMED_ONCE = "a turn that is continued never gets its name twice"
OWN_DEFAULT = "a missing field has its documented default, not what the template before it had"
NEVER_EMPTY = "cleaning never makes a reply empty: it stays as it came"
NOT_ONE_SIGN = "one visible character is no sign of a stop string"

DEVIATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "continue-plain": (
        NAMED_ONCE,
        {
            "prompt": "Play Alice. Never speak for Bob.\nAlice keeps a lighthouse. Bob visits on Sundays.\n"
            "Alice's traits: calm, curious\nScene: A storm is near.\nBob repairs clocks.\n***\n"
            "Alice: Welcome, Bob. The wind is rising.\nBob: I brought oil for the lamp.\n"
            "Alice: Good. Pour it here.",
        },
    ),
    "incomplete-file": (
        OWN_DEFAULT,
        {
            "prompt": "Play Alice. Never speak for Bob.\nAlice keeps a lighthouse. Bob visits on Sundays.\n"
            "Alice is calm, curious.\nScene: A storm is near.\nBob repairs clocks.\n<a>\n"
            "Welcome, Bob. The wind is rising.\n<u>\nI brought oil for the lamp.\n<a>\nGood. Pour it here.\n"
            "<u>\nLike this?\n<a>\n",
        },
    ),
    "user-first": (NEVER_EMPTY, {"text": "Bob: I think so."}),
    "impersonate-char-first": (NEVER_EMPTY, {"text": "Alice: Good."}),
    "group-first": (NEVER_EMPTY, {"text": "Carol: No.\nYes."}),
    "stop-partial-nowrap": (NOT_ONE_SIGN, {"text": "The lamp burns <"}),
}
"""By the case's name: why it differs here, and what comes out instead."""


def test_there_are_vectors() -> None:
    assert len(CASES) >= 140
    assert {case["name"] for _, case in CASES} >= set(DEVIATIONS)


@pytest.mark.parametrize(("file", "case"), CASES, ids=[f"{file}-{case['name']}" for file, case in CASES])
def test_vector(file: str, case: dict[str, Any]) -> None:
    (result,) = replay([case])
    expected = case["expected"]["1.18.0"]
    if case["name"] in DEVIATIONS:
        reason, ours = DEVIATIONS[case["name"]]
        assert {key: result[key] for key in ours} == ours, reason
        assert {key: expected[key] for key in ours} != ours, "this is no deviation any more"
        return
    assert result == expected


def test_bare_scenarios_and_what_is_missing_in_them() -> None:
    """A scenario may stand alone, and every field of it may be absent or of a wrong type."""
    results = replay(
        [
            {"context": {"story_string": "{{#if system}}"}},
            {},
            {
                "chat": [None, {"mes": "Hi", "is_user": True}],
                "instruct": 5,
                "inject": ["x"],
                "power_user": None,
            },
            {"presets": [], "model": "m"},
            {"reply": "Yes."},
            "no scenario",  # type: ignore[list-item]
        ]
    )
    assert results[0]["error"]["code"] == "TEMPLATE_SYNTAX"
    assert results[1]["prompt"].endswith("Char:")
    assert "Hi" in results[2]["prompt"]
    assert results[3] == {"result": False, "instruct": "-", "context": "-"}
    assert results[4] == {"text": "Yes."}
    assert len(results) == 5
