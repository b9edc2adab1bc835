"""ECMAScript regular expressions with a time limit that holds.

Patterns of cards and worldbooks are untrusted, and a running match cannot be stopped from another thread.
So they run in a warm helper process (`engine_worker`), which is replaced when one takes too long.

See docs/spec/formats.md: The ECMAScript engine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError
from lunalux_core.regex.engine_process import Worker

JOB_SECONDS = 0.25
"""Processor time one pattern may use on one text."""
MESSAGE_SECONDS = 2.0
"""Processor time all patterns of one message may use together."""

# The helper measures processor time itself; the clock on the wall is the second line of defence and must
# not fire on a busy machine. Windows has no such timer, so there the wall clock is all there is.
_WALL_FACTOR = 1.0 if sys.platform == "win32" else 8.0
_GRACE = 0.25
_GRACE_PER_BYTE = 2e-6  # preparing the text and reporting where matches are is outside the limit
_NO_LIMIT = 1e9


class EcmaError(InvalidInput):
    """The pattern is not valid ECMAScript (REGEX_INVALID), or the engine failed on it (REGEX_FAILED)."""


class EcmaTimeout(LimitExceeded):
    """The pattern used up its time on this text (REGEX_TIMEOUT)."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern matched, in indices of the searched string; a group that took no part is None."""

    start: int
    end: int
    groups: tuple[tuple[int, int] | None, ...] = ()
    named: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)


@dataclass(slots=True)
class RegexBudget:
    """Processor time for the patterns of one message, in seconds; `spent` grows as they run."""

    job: float = JOB_SECONDS
    total: float = MESSAGE_SECONDS
    spent: float = field(default=0.0)

    @property
    def left(self) -> float:
        return max(0.0, self.total - self.spent)


JobResult = Mapping[str, Any] | LunaluxError


class EcmaEngine:
    """Runs patterns for any thread, one batch at a time; the helper starts at the first use.

    Flags are ECMAScript's (``i m s u v y``); ``g`` has no meaning here, `find_all` finds all. Without `u`
    or `v` a character beyond U+FFFF is two units; a match that ends inside one is widened to it, unless the
    text was split with `text_units.to_units` before.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._worker: Worker | None = None

    def __enter__(self) -> EcmaEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the helper. The engine may be used again; it then starts another."""
        with self._lock:
            self._drop()

    def find_all(
        self, pattern: str, flags: str, text: str, limit: int | None = None, budget: RegexBudget | None = None
    ) -> list[Match]:
        """All matches from left to right, at most `limit`.

        Raises:
            EcmaError: REGEX_INVALID.
            EcmaTimeout: REGEX_TIMEOUT; the engine can be used on.
        """
        job = {"source": pattern, "flags": flags, "test": False, "limit": limit}
        answer = self._run([job], text, budget or RegexBudget())[0]
        if isinstance(answer, LunaluxError):
            raise answer
        return list(_matches(answer["found"]))

    def test(self, pattern: str, flags: str, text: str, budget: RegexBudget | None = None) -> bool:
        """Whether the pattern matches anywhere. Raises like `find_all`."""
        result = self.test_many([(pattern, flags)], text, budget)[0]
        if isinstance(result, LunaluxError):
            raise result
        return result

    def test_many(
        self, patterns: Sequence[tuple[str, str]], text: str, budget: RegexBudget | None = None
    ) -> list[bool | LunaluxError]:
        """`test` for many (pattern, flags) against one text in one round trip.

        A pattern that fails gives its `EcmaError` or `EcmaTimeout` in its place instead of raising. Without a
        budget every pattern has its own `JOB_SECONDS` and there is no common limit.
        """
        jobs = [{"source": source, "flags": flags, "test": True, "limit": 1} for source, flags in patterns]
        answers = self._run(jobs, text, budget or RegexBudget(total=float("inf")))
        return [each if isinstance(each, LunaluxError) else bool(each["found"]) for each in answers]

    def _run(self, jobs: list[dict[str, Any]], text: str, budget: RegexBudget) -> list[JobResult]:
        body = text.encode("utf-8", "surrogatepass")
        answers: list[JobResult] = []
        died_at = -1
        with self._lock:
            while (count := len(answers)) < len(jobs):
                if budget.left <= 0:
                    return answers + [_timeout(job) for job in jobs[count:]]
                if self._round(jobs[count:], body, budget, answers):
                    continue
                # The helper may die of something else (a full system); the same job gets a second helper
                # before it is blamed.
                if died_at == len(answers):  # twice on the same pattern, with time left
                    answers.append(_failed(jobs[died_at]))
                died_at = len(answers)
        return answers

    def _round(
        self, jobs: list[dict[str, Any]], body: bytes, budget: RegexBudget, answers: list[JobResult]
    ) -> bool:
        """Send the jobs and append the answers that come; False if the helper ended for no known reason."""
        worker = self._worker = self._worker or Worker()
        left = min(budget.left, _NO_LIMIT)
        if not worker.send({"jobs": jobs, "share": budget.job, "left": left}, body):
            self._drop()
            return False
        for job in jobs:
            share = min(budget.job, budget.left)
            reply = worker.receive(share * _WALL_FACTOR + _GRACE + len(body) * _GRACE_PER_BYTE)
            if reply is None:
                # Asked before it is ended: afterwards its exit code is that of our own kill.
                overran = worker.overran()
                self._drop()
                if overran:
                    budget.spent += share
                    answers.append(_timeout(job))
                return overran
            budget.spent += reply["seconds"]
            if "late" in reply:
                answers.append(_timeout(job))
            else:
                answers.append(_invalid(job, reply["error"]) if "error" in reply else reply)
        return True

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def _matches(answer: Mapping[str, Any]) -> Iterator[Match]:
    """The matches in the flat list of the helper (`engine_worker.run_job`)."""
    edges, count, names = answer["at"], answer["count"], answer["names"]
    if not count:
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            yield Match(start, end)
        return
    pairs: list[tuple[int, int] | None] = [
        None if start < 0 else (start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    columns = 1 + count + len(names)
    for first in range(0, len(pairs), columns):
        start, end = edges[2 * first : 2 * first + 2]
        groups = tuple(pairs[first + 1 : first + 1 + count])
        named = dict(zip(names, pairs[first + 1 + count : first + columns], strict=True))
        yield Match(start, end, groups, named)


def _invalid(job: Mapping[str, Any], reason: str) -> EcmaError:
    return EcmaError(
        "REGEX_INVALID",
        f"The regular expression cannot be used: {reason.rstrip('.')}.",
        "Correct the pattern; it must be valid ECMAScript.",
        pattern=job["source"],
        reason=reason,
    )


def _failed(job: Mapping[str, Any]) -> EcmaError:
    return EcmaError(
        "REGEX_FAILED",
        "The regular expression could not be run.",
        "Simplify the pattern; the engine ended while working on it.",
        pattern=job["source"],
    )


def _timeout(job: Mapping[str, Any]) -> EcmaTimeout:
    return EcmaTimeout(
        "REGEX_TIMEOUT",
        "The regular expression took too long and was stopped.",
        "Avoid nested repetitions such as (a+)+ in the pattern.",
        pattern=job["source"],
    )
