"""What replies are held to. Patterns of a file run under the time limit of all patterns from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import InvalidInput
from lunalux_core.lab.experiment import Check, Experiment
from lunalux_core.lab.experiment_file import mistake
from lunalux_core.regex.script import parse_find

if TYPE_CHECKING:
    from lunalux_core.regex.engine import EcmaEngine

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What came of one check. `reason` says in English why it failed, "" where it passed."""

    check: Check
    reason: str = ""

    @property
    def passed(self) -> bool:
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        expected = self.check.expected
        return {
            "check": self.check.kind,
            "name": self.check.name or None,
            "expected": list(expected) if isinstance(expected, tuple) else expected,
            "passed": self.passed,
            "reason": self.reason or None,
        }


def try_patterns(experiment: Experiment, engine: EcmaEngine) -> None:
    """Raises InvalidInput (LAB_FILE_INVALID) for a pattern that is none."""
    for check in experiment.checks:
        if check.kind not in {"matches", "not_matches"} or not isinstance(check.expected, tuple):
            continue
        for pattern in check.expected:
            try:
                parsed = parse_find(pattern)
                engine.test(parsed.source, parsed.flags, "")
            except InvalidInput as error:
                raise mistake(experiment, "checks", check.number, check.kind, error) from None


def judged(
    checks: Sequence[Check], reply: Mapping[str, Any], record: Mapping[str, Any], engine: EcmaEngine
) -> list[CheckOutcome]:
    """The outcome of each check; patterns may take their time, so call it in a thread.

    Args:
        reply: as `runs` keeps it.
        record: how its prompt came about (`dialogue.turn_record`).
    """
    return [CheckOutcome(check, _reason(check, reply, record, engine)) for check in checks]


def prompt_texts(record: Mapping[str, Any]) -> list[str]:
    """The messages of a prompt, as far as a record has them."""
    return [str(message.get("content", "")) for message in record.get("messages", ())]


def _reason(check: Check, reply: Mapping[str, Any], record: Mapping[str, Any], engine: EcmaEngine) -> str:
    expected = check.expected
    if isinstance(expected, tuple):
        if check.kind.startswith("prompt_"):
            return _held(check.kind.removeprefix("prompt_"), expected, prompt_texts(record), "The prompt")
        if check.kind == "finish":
            ended = str(reply.get("finish"))
            wanted = ", ".join(expected)
            return "" if ended in expected else f"It ended with {ended}, not with {wanted}."
        content = str(reply.get("content", ""))
        if check.kind in {"matches", "not_matches"}:
            return _matched(check.kind, expected, content, engine)
        return _held(check.kind, expected, [content], "The reply")
    return _bounded(check.kind, expected, reply)


def _held(kind: str, expected: Sequence[str], texts: Sequence[str], what: str) -> str:
    """Why texts do not hold all that is expected, or hold what they must not."""
    for wanted in expected:
        there = any(wanted in text for text in texts)
        if kind == "contains" and not there:
            return f"{what} does not contain “{_short(wanted)}”."
        if kind == "not_contains" and there:
            return f"{what} contains “{_short(wanted)}”."
    return ""


def _matched(kind: str, expected: Sequence[str], content: str, engine: EcmaEngine) -> str:
    for pattern in expected:
        parsed = parse_find(pattern)
        try:
            matches = engine.find_all(parsed.source, parsed.flags, content, limit=1)
        except InvalidInput as error:  # over its time, or the engine failed on it
            return error.message
        if kind == "matches" and not matches:
            return f"Nothing matches {_short(pattern)}."
        if kind == "not_matches" and matches:
            text = content[matches[0].start : matches[0].end]
            return f"{_short(pattern)} matches “{_short(text)}”."
    return ""


def _bounded(kind: str, bound: float, reply: Mapping[str, Any]) -> str:
    usage, prompt = reply.get("usage") or {}, reply.get("prompt") or {}
    read: Mapping[str, tuple[Callable[[], object], str]] = {
        "tokens": (lambda: usage.get("completion_tokens"), "tokens"),
        "prompt_tokens": (lambda: usage.get("prompt_tokens") or prompt.get("tokens"), "tokens in the prompt"),
        "seconds": (lambda: reply.get("seconds"), "seconds"),
        "cost": (lambda: spent(reply), "to pay"),
    }
    name, _, end = kind.rpartition("_")
    value, unit = read[name][0](), read[name][1]
    # Only a price may be unknown: of tokens and seconds there is always at least an estimate.
    if not isinstance(value, int | float):
        return "Nobody knows what the reply cost."
    if end == "max" and value > bound:
        return f"{value:.10g} {unit}, more than {bound:.10g}."
    if end == "min" and value < bound:
        return f"{value:.10g} {unit}, fewer than {bound:.10g}."
    return ""


def spent(reply: Mapping[str, Any]) -> float | None:
    """What a reply cost: coins of the wallet, or money; None where nobody knows."""
    billing, cost = reply.get("billing"), reply.get("cost")
    if isinstance(billing, Mapping):
        return float(billing.get("cost") or 0) if billing.get("method") != "free" else 0.0
    if isinstance(cost, Mapping) and isinstance(cost.get("amount"), int | float):
        return float(cost["amount"])
    return 0.0 if reply.get("free") else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
