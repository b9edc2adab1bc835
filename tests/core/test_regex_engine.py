"""The engine for patterns: it understands ECMAScript, its time limit holds, and it survives."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.regex.engine import EcmaEngine, EcmaError, EcmaTimeout, RegexBudget
from lunalux_core.regex.engine_process import Worker
from lunalux_core.regex.text_units import from_units, groups_of, rewrite, to_units

RUNAWAY, FOOD = "(a+)+$", "a" * 40 + "!"


@pytest.fixture(scope="module")
def engine() -> Iterator[EcmaEngine]:
    with EcmaEngine() as engine:
        yield engine


def helpers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if any("engine_worker" in part for part in child.cmdline())
    ]


def test_positions_are_indices_of_the_string(engine: EcmaEngine) -> None:
    text = "é龙🐱foo 🐱oo"
    found = engine.find_all("(?<os>o+)|(never)", "", text)
    assert [text[match.start : match.end] for match in found] == ["oo", "oo"]
    assert [match.groups for match in found] == [((4, 6), None), ((8, 10), None)]
    assert found[0].named == {"os": (4, 6)}
    assert engine.find_all("o", "", text, limit=1) == engine.find_all("o", "", text)[:1]


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "spans"),
    [
        (".", "", "🐱a", [(0, 1), (1, 2), (2, 3)]),
        (".", "u", "🐱a", [(0, 1), (1, 2), (2, 3)]),
        (r"\ud83d", "", "🐱", [(0, 1)]),
        (r"[\ud800-\udbff][\udc00-\udfff]", "", "x🐶", [(1, 3)]),
        (r"[\u4e00-\uffff]+", "", "a🐱龙", [(1, 4)]),
        (r"[^\x00-\xff]+", "", "a🐱b", [(1, 3)]),
        ("🐱", "", "x🐱", [(1, 3)]),
        (r"[\ue000-\uf8ff]", "", "🐱\ue000", [(2, 3)]),
        ("a", "y", "aab", [(0, 1), (1, 2)]),
        ("", "", "ab", [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_characters_are_sixteen_bit_units_without_the_u_flag(
    engine: EcmaEngine, pattern: str, flags: str, text: str, spans: list[tuple[int, int]]
) -> None:
    subject = text if flags == "u" else to_units(text)
    if flags == "u":
        spans = [(0, 1), (1, 2)]
    assert [(match.start, match.end) for match in engine.find_all(pattern, flags, subject)] == spans


def test_a_match_inside_a_character_is_widened_in_whole_text(engine: EcmaEngine) -> None:
    assert [(m.start, m.end) for m in engine.find_all(".", "", "🐱a")] == [(0, 1), (0, 1), (1, 2)]


def test_a_runaway_pattern_is_stopped_and_the_engine_works_on(engine: EcmaEngine) -> None:
    for _ in range(2):
        with pytest.raises(EcmaTimeout) as caught:
            engine.test(RUNAWAY, "", FOOD)
        assert caught.value.code == "REGEX_TIMEOUT"
        assert engine.test("a!", "", FOOD)


def test_a_batch_answers_in_order_whatever_happens_to_some(engine: EcmaEngine) -> None:
    good, broken, runaway, after = engine.test_many([("a", ""), ("(", ""), (RUNAWAY, ""), ("b", "")], FOOD)
    assert good is True
    assert isinstance(broken, EcmaError)
    assert broken.code == "REGEX_INVALID"
    assert isinstance(runaway, EcmaTimeout)
    assert after is False


def test_a_budget_that_is_used_up_ends_the_batch(engine: EcmaEngine) -> None:
    budget = RegexBudget(job=0.05, total=0.1)
    answers = engine.test_many([(RUNAWAY, "")] * 5 + [("a", "")], FOOD, budget)
    assert all(isinstance(answer, EcmaTimeout) for answer in answers)


def test_the_engine_survives_the_death_of_its_helper(engine: EcmaEngine) -> None:
    engine.test("a", "", "a")
    (helper,) = helpers()
    os.kill(helper.pid, signal.SIGKILL)
    helper.wait(10)
    assert engine.test("b", "", "abc")


def test_closing_leaves_no_process_and_the_engine_can_start_again() -> None:
    before = {helper.pid for helper in helpers()}
    engine = EcmaEngine()
    assert {helper.pid for helper in helpers()} == before  # nothing is started before it is needed
    engine.test("a", "", "a")
    started = [helper for helper in helpers() if helper.pid not in before]
    assert len(started) == 1
    engine.close()
    assert not started[0].is_running()
    assert engine.test("a", "", "a")
    engine.close()


def test_many_threads_may_share_it(engine: EcmaEngine) -> None:
    answers: dict[int, bool] = {}

    def ask(number: int) -> None:
        answers[number] = all(engine.test(f"n{number}b", "", f"an{number}b") for _ in range(20))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(8), True)


def test_lone_surrogates_do_not_break_the_pipe(engine: EcmaEngine) -> None:
    assert engine.test("a", "", "\ud83da")
    assert engine.test("a", "u", "\ud83da")
    with pytest.raises(EcmaError):
        engine.find_all("(?<", "", "\udc00")


@settings(max_examples=100)
@given(st.text())
def test_units_are_reversible(text: str) -> None:
    units = to_units(text)
    assert len(units) * 2 == len(text.encode("utf-16-le", "surrogatepass"))
    assert from_units(units).encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


plain_patterns = st.text(alphabet=st.sampled_from("ab[]^-\\uD83dwx{}().*+?|$"), max_size=10)


@settings(max_examples=100)
@given(plain_patterns)
def test_rewriting_never_raises_and_leaves_plain_patterns_alone(pattern: str) -> None:
    assert groups_of(pattern)[0] <= pattern.count("(")
    if not re.search(r"\\u[dD]|[\ud800-\udfff]|-", pattern):
        assert rewrite(pattern) == pattern


def test_groups_are_counted() -> None:
    assert groups_of(r"(a)(?:b)(?<n>c)(?<=d)(?<!e)\(f\)[(]((g))") == (4, ("n",))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not tell")
def test_the_helper_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs strangers' patterns; keys lie in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-tell")
    monkeypatch.setenv("LUNALUX_PASSWORD", "do-not-tell")
    worker = Worker()
    try:
        assert worker.receive(30) is not None  # it runs
        environment = Path(f"/proc/{worker._process.pid}/environ").read_bytes()
        assert b"PATH=" in environment and b"do-not-tell" not in environment
    finally:
        worker.end()
