"""What SillyTavern 1.19 sends, message for message (vectors/prompt.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.scenarios.presets import replay

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "prompt.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8")) if VECTORS.is_file() else []

DEVIATIONS: dict[str, str] = {}
"""Vectors we depart from, with the reason. None so far: what "SillyTavern assembly" names (fixed parts that
do not
fit are refused, not cut) is not among these scenarios."""


@pytest.mark.skipif(not CASES, reason="the folder of shared inputs is not beside the repository")
def test_there_are_vectors() -> None:
    assert len(CASES) >= 45


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: dict[str, Any]) -> None:
    if case["name"] in DEVIATIONS:
        pytest.skip(DEVIATIONS[case["name"]])
    assert replay([case]) == [case["expected"]["1.19.0"]]
