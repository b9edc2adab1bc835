"""Token estimates: their constants, their bounds and what calibration learns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.llm.tokens import TokenEstimator, calibrated, estimator


@pytest.mark.parametrize(
    ("text", "o200k", "cl100k"),
    [
        ("", 0, 0),
        ("x" * 100, 37, 39),
        ("灯" * 100, 98, 145),
        ("灯" * 50 + "x" * 50, 68, 92),
        ("かなカナ한글，。", 8, 12),
        ("é" * 100, 37, 39),
    ],
)
def test_constants(text: str, o200k: int, cl100k: int) -> None:
    assert TokenEstimator("o200k").text(text) == o200k
    assert TokenEstimator("cl100k").text(text) == cl100k


def test_a_message_costs_four_more() -> None:
    assert TokenEstimator().message("") == 4
    assert TokenEstimator().message("x" * 100) == 41


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini", "o200k"),
        ("gpt-4.1", "o200k"),
        ("gpt-4-turbo", "cl100k"),
        ("gpt-4", "cl100k"),
        ("gpt-3.5-turbo", "cl100k"),
        ("openrouter/mistralai/mixtral-8x7b", "cl100k"),
        ("gemini-2.0-flash", "o200k"),
        ("qwen3:8b", "o200k"),
    ],
)
def test_vocabulary_by_name(model: str, vocabulary: str) -> None:
    assert estimator(model).vocabulary == vocabulary


def test_calibration_approaches_what_the_provider_reports() -> None:
    factor, text = 1.0, "word " * 400
    true = 600
    for _ in range(40):
        factor = calibrated(factor, estimator("x", factor).text(text), true)
    assert estimator("x", factor).text(text) == pytest.approx(true, rel=0.01)


def test_one_odd_report_does_little_and_short_prompts_nothing() -> None:
    assert calibrated(1.0, 1000, 100_000) == 3.0
    assert calibrated(1.0, 1000, 1100) == pytest.approx(1.02)
    assert calibrated(1.0, 10, 1000) == 1.0
    assert calibrated(1.0, 1000, 0) == 1.0
    assert estimator("x", 1e9).factor == 3.0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_estimates_add_up(one: str, other: str) -> None:
    count = TokenEstimator().text
    assert max(count(one), count(other)) <= count(one + other) <= count(one) + count(other)
    assert count(one) <= math.ceil(0.98 * len(one))
