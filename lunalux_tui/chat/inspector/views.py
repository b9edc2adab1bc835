"""The five views of a turn's record: each a list of items, and what there is to read about each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lunalux_core.dialogue.turn_record_diff import (
    Compared,
    Mark,
    compare_entries,
    compare_messages,
    compare_texts,
)
from lunalux_core.text import clean_line
from lunalux_tui import i18n
from lunalux_tui.i18n import t
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, STRIKE, WARNING, Run

Record = Mapping[str, Any]
VIEWS = ("messages", "tokens", "worldbook", "scripts", "cut")
MARKS: Mapping[Mark, str] = {"same": " ", "new": "+", "gone": "−", "changed": "~"}
BAR = 24
"""Cells of the longest bar of the tokens."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row: what it says, what can be read about it, and `text` for copying and for the filter."""

    title: str
    detail: str = ""
    right: str = ""
    mark: str = ""
    text: str = ""
    told: Callable[[], Sequence[Run]] = field(default=tuple, compare=False)

    def holds(self, words: Sequence[str]) -> bool:
        """Whether all the words stand anywhere in it."""
        whole = f"{self.title} {self.detail} {self.right} {self.text}".casefold()
        return all(word in whole for word in words)


@dataclass(frozen=True, slots=True)
class Look:
    """A record to be looked at, with the one before it where they are to be compared.

    `texts` are the words of messages that were cut, by their ids, as far as they are known.
    """

    record: Record
    before: Record | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def slot_name(slot: str, record: Record) -> str:
    """What a slot is called: our word for a known one, else the preset's."""
    parts = []
    for part in slot.split("+"):
        key = f"inspector.slot.{part}"
        parts.append(t(key) if i18n.has(key) else clean_line(record["names"].get(part, part), 60))
    return " + ".join(parts)


def count(view: str, record: Record) -> str:
    """What stands beside the name of a view."""
    report, book = record["prompt"], record["worldbook"]
    match view:
        case "messages":
            return str(len(record["messages"]))
        case "worldbook":
            return str(len(book["activated"]))
        case "scripts":
            return str(len(record["scripts"]))
        case "cut":
            return str(
                report["history_dropped"]
                + report["injections_dropped"]
                + report["examples_dropped"]
                + len(report["unknown_macros"])
            )
    return ""


def items(view: str, look: Look) -> list[Item]:
    """The items of a view."""
    made: Mapping[str, Callable[[Look], Iterator[Item]]] = {
        "messages": _messages,
        "tokens": _tokens,
        "worldbook": _worldbook,
        "scripts": _scripts,
        "cut": _cut,
    }
    return list(made[view](look))


# -- messages and tokens ------------------------------------------------------------------------------


def _shape(record: Record) -> Iterator[Item]:
    """How the messages were reshaped for the server, where they were; older records say nothing of it."""
    if shape := record.get("shape"):
        told = (
            (t("inspector.shape.title"), ACCENT | BOLD),
            ("", 0),
            (t("inspector.shape.told", shape=shape), 0),
        )
        yield Item(t("inspector.shape.title"), clean_line(str(shape), 200), told=lambda: told)


def _shortened(record: Record) -> Iterator[Item]:
    """That the prompt before this one was refused for its length, where one was."""
    if found := record.get("shortened"):
        title = t("inspector.shortened.title")
        words = [t("inspector.shortened.told", window=f"{found['window']:,}")]
        if found["needed"]:
            words.append(t("inspector.shortened.needed", needed=f"{found['needed']:,}"))
        told = [(title, ACCENT | BOLD), ("", 0), *((one, 0) for one in words)]
        yield Item(title, " ".join(words), told=lambda: told)


def _parameters(record: Record) -> Iterator[Item]:
    """What the request asked for, who said it, what the model does not take; older records have none."""
    rows = record.get("parameters")
    if not isinstance(rows, list) or not rows:
        return
    title = t("inspector.parameters.title")
    runs: list[Run] = [(title, ACCENT | BOLD), ("", 0)]
    for one in rows:
        value = json.dumps(one["value"], ensure_ascii=False)
        source = t(f"inspector.parameters.{one['source'] or 'settings'}")
        runs.append((f"{one['name']} = {clean_line(value, 200)} · {source}", 0))
        if reason := one["untaken"]:
            runs.append(("    " + t(f"inspector.parameters.untaken_{reason}"), WARNING))
    left = [one["name"] for one in rows if one["untaken"]]
    detail = t("inspector.parameters.left", names=", ".join(left)) if left else ""
    text = "\n".join(run for run, _ in runs)
    yield Item(title, detail, str(len(rows)), text=text, told=lambda: runs)


def _messages(look: Look) -> Iterator[Item]:
    yield from _shape(look.record)
    yield from _shortened(look.record)
    messages = look.record["messages"]
    if look.before is None:
        compared = [Compared("same", one, None) for one in messages]
    else:
        compared = compare_messages(messages, look.before["messages"])
    for one in compared:
        message = one.message
        who = clean_line(message["name"] or "", 30)
        role = t(f"inspector.role.{message['role']}") + (f" ({who})" if who else "")
        yield Item(
            slot_name(message["slot"], look.record),
            clean_line(message["content"], 200),
            f"{role} · {message['tokens']:,}",
            MARKS[one.mark] if look.before is not None else "",
            message["content"],
            lambda one=one: _message_told(one, look),  # type: ignore[misc]
        )
    yield from _parameters(look.record)


def _message_told(one: Compared, look: Look) -> list[Run]:
    message = one.message
    head = t(
        "inspector.message",
        slot=slot_name(message["slot"], look.record),
        role=t(f"inspector.role.{message['role']}"),
        n=message["tokens"],
    )
    runs: list[Run] = [(head, ACCENT | BOLD)]
    if look.before is not None:
        runs.append((t(f"inspector.mark.{one.mark}"), MUTED))
    runs.append(("", 0))
    if one.mark == "changed" and one.before is not None and one.now is not None:
        styles = {"same": MUTED, "gone": ERROR | STRIKE, "new": ACCENT}
        signs = {"same": "  ", "gone": "− ", "new": "+ "}
        lines = compare_texts(one.before["content"], one.now["content"])
        return [*runs, *((signs[mark] + line, styles[mark]) for mark, line in lines)]
    return [*runs, (message["content"], ERROR if one.mark == "gone" else 0)]


def _tokens(look: Look) -> Iterator[Item]:
    report = look.record["prompt"]
    slots = sorted(report["slots"], key=lambda one: -one["tokens"])
    whole = max(report["total"], 1)
    most = max((one["tokens"] for one in slots), default=1) or 1
    before = {one["slot"]: one["tokens"] for one in look.before["prompt"]["slots"]} if look.before else {}
    for one in slots:
        share = one["tokens"] * 100 / whole
        bar = "█" * max(round(one["tokens"] * BAR / most), 1 if one["tokens"] else 0)
        change = one["tokens"] - before.get(one["slot"], 0)
        moved = f"  ({change:+,})" if look.before and change else ""
        yield Item(
            slot_name(one["slot"], look.record),
            bar,
            f"{one['tokens']:,} · {share:.0f} %{moved}",
            text=one["slot"],
            told=lambda one=one: _slot_told(one, look),  # type: ignore[misc]
        )


def _slot_told(one: Mapping[str, Any], look: Look) -> list[Run]:
    inside = [m for m in look.record["messages"] if one["slot"] in m["slot"].split("+")]
    head = t("inspector.slot_told", slot=slot_name(one["slot"], look.record), n=one["pieces"])
    runs: list[Run] = [(head, ACCENT | BOLD), ("", 0)]
    for message in inside:
        runs += [(f"{t('inspector.role.' + message['role'])} · {message['tokens']:,}", MUTED)]
        runs += [(message["content"], 0), ("", 0)]
    return runs


# -- worldbook ----------------------------------------------------------------------------------------


def _worldbook(look: Look) -> Iterator[Item]:
    book = look.record["worldbook"]
    marks = compare_entries(look.record, look.before) if look.before else {}
    for one in book["activated"]:
        mark = MARKS[marks.get((str(one["book"]), str(one["uid"])), "same")] if marks else "✓"
        yield _fired(one, mark)
    if look.before is not None:
        for one in look.before["worldbook"]["activated"]:
            if marks.get((str(one["book"]), str(one["uid"]))) == "gone":
                yield _fired(one, MARKS["gone"])
    for one in book["skipped"]:
        yield Item(
            _entry_name(one),
            t(f"create.trial.skip.{one['reason']}"),
            clean_line(one["book"], 30),
            "·",
            told=lambda one=one: [  # type: ignore[misc]
                (_entry_name(one), ACCENT | BOLD),
                (t("inspector.entry.from", book=clean_line(one["book"], 80), uid=one["uid"]), MUTED),
                ("", 0),
                (t("create.trial.stays", reason=t(f"create.trial.skip.{one['reason']}")), WARNING),
            ],
        )


def _entry_name(one: Mapping[str, Any]) -> str:
    return clean_line(one["comment"], 80) or t("inspector.entry.nameless", uid=one["uid"])


def _fired(one: Mapping[str, Any], mark: str) -> Item:
    return Item(
        _entry_name(one),
        _why(one),
        f"{clean_line(one['book'], 24)} · {one['tokens']:,}",
        mark,
        one["content"],
        lambda: _fired_told(one),
    )


def _why(one: Mapping[str, Any]) -> str:
    kind = (
        "recursion"
        if one["reason"] == "key" and one["message"] is None and one["pass"] > 1
        else one["reason"]
    )
    why = t(f"create.trial.reason.{kind}", word=clean_line(one["key"], 60), n=one["pass"])
    if one["message"] is None:
        return why
    return t("inspector.entry.in_message", why=why, n=one["message"] + 1)


def _fired_told(one: Mapping[str, Any]) -> list[Run]:
    position = f"inspector.position.{one['position']}"
    where = t(position if i18n.has(position) else "inspector.position.nowhere", n=one["depth"])
    facts = [
        t("inspector.entry.from", book=clean_line(one["book"], 80), uid=one["uid"]),
        t(
            "inspector.entry.goes",
            where=where,
            role=t(f"inspector.role.{one['role']}"),
            order=f"{one['order']:g}",
        ),
        t("inspector.entry.cost", n=one["tokens"], number=one["pass"]),
    ]
    if one["roll"] is not None:
        facts.append(t("inspector.entry.roll", roll=f"{one['roll']:.0f}"))
    fires = t("create.trial.fires", reason=_why(one))
    return [
        (_entry_name(one), ACCENT | BOLD),
        (fires, 0),
        *((fact, MUTED) for fact in facts),
        ("", 0),
        (one["content"], 0),
    ]


# -- scripts and what was cut -------------------------------------------------------------------------


def _scripts(look: Look) -> Iterator[Item]:
    for one in look.record["scripts"]:
        place = t(f"inspector.place.{one['place']}")
        known = {m["message_id"]: m["content"] for m in look.record["messages"] if m["message_id"]}
        texts = [known.get(text, text) for text in one["texts"]]
        yield Item(
            clean_line(one["script"], 80),
            place,
            t("inspector.touched", n=one["times"]),
            told=lambda one=one, place=place, texts=texts: [  # type: ignore[misc]
                (clean_line(one["script"], 200), ACCENT | BOLD),
                (t("inspector.touched_told", place=place, n=one["times"]), 0),
                ("", 0),
                *((f"· {clean_line(text, 300)}", MUTED) for text in texts),
            ],
        )


def _cut(look: Look) -> Iterator[Item]:
    record = look.record
    report = record["prompt"]
    for name in report["unknown_macros"]:
        yield _note("macro", "{{" + clean_line(name, 60) + "}}", "?")
    for one in record["worldbook"]["skipped"]:
        if one["reason"] in ("budget", "book_budget"):
            why = t(f"create.trial.skip.{one['reason']}")
            told = (_entry_name(one), ACCENT | BOLD), (why, 0)
            yield Item(_entry_name(one), why, clean_line(one["book"], 30), "✂", told=lambda told=told: told)  # type: ignore[misc]
    for kind in ("injections", "examples"):
        if report[f"{kind}_dropped"]:
            yield _note(kind, t(f"inspector.cut.{kind}", n=report[f"{kind}_dropped"]), "✂")
    if report["memory_events"]:
        yield _note("memory", t("inspector.cut.memory", n=report["memory_events"]), "·")
    further = report["history_dropped"] - len(report["dropped_ids"])
    for identity in reversed(report["dropped_ids"]):
        text = look.texts.get(identity, "")
        yield Item(
            clean_line(text, 200) or t("inspector.cut.message"),
            t("inspector.cut.history_why"),
            mark="✂",
            text=text,
            told=lambda text=text: [(t("inspector.cut.history_told"), MUTED), ("", 0), (text, 0)],  # type: ignore[misc]
        )
    if further > 0:
        yield _note("further", t("inspector.cut.further", n=further), "✂")


def _note(kind: str, title: str, mark: str) -> Item:
    told = t(f"inspector.cut.{kind}_told")
    return Item(title, told, mark=mark, told=lambda: [(title, ACCENT | BOLD), ("", 0), (told, 0)])
