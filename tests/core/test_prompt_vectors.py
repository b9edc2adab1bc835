"""What SillyTavern 1.19 sends, message for message (vectors/prompt.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.scenarios.presets import replay

VECTORS = Path(__file__).resolve().parents[1] / "data" / "vectors" / "prompt.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))

DEVIATIONS: dict[str, str] = {}
"""Vectors we depart from, with the reason. None so far: what "SillyTavern assembly" names (fixed parts that
do not
fit are refused, not cut) is not among these scenarios."""


def test_there_are_vectors() -> None:
    assert len(CASES) >= 45


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: dict[str, Any]) -> None:
    same = replay([case]) == [case["expected"]["1.19.0"]]
    assert same is (case["name"] not in DEVIATIONS), DEVIATIONS.get(case["name"])
