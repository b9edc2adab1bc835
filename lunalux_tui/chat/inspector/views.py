"""The views of a turn's record: each a list of items, and what there is to read about each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lunalux_core.dialogue.turn_record_diff import (
    Mark,
    MessageDifference,
    compare_entries,
    compare_messages,
    compare_texts,
)
from lunalux_core.library.conversations import Message
from lunalux_core.library.spending import Spending
from lunalux_core.text import clean_line
from lunalux_tui import i18n
from lunalux_tui.chat.inspector.beginning import beginning
from lunalux_tui.chat.inspector.changes import SIGNS
from lunalux_tui.chat.inspector.chat_texts import chat_texts
from lunalux_tui.chat.inspector.completion_text import coloured, is_text, whole
from lunalux_tui.chat.inspector.cost import took
from lunalux_tui.chat.inspector.items import Item
from lunalux_tui.chat.inspector.memories import memory_items
from lunalux_tui.chat.inspector.shares import shares_of
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED, STRIKE, WARNING, Run

Record = Mapping[str, Any]
VIEWS = ("messages", "tokens", "worldbook", "scripts", "cut", "text")
MARKS: Mapping[Mark, str] = {"same": " ", "new": "+", "gone": "−", "changed": "~"}
AROUND = 2
"""Lines that are shown beside what changed."""
BAR = 24
"""Cells of the longest bar of the tokens."""


@dataclass(frozen=True, slots=True)
class InspectedRecord:
    """A record to be looked at, with the one before it where they are to be compared.

    `texts` are the words of messages that were cut, by their ids, as far as they are known. `reply` is what
    came of it, `spending` what all replies of the conversation took.
    """

    record: Record
    before: Record | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    reply: Message | None = None
    spending: Spending | None = None


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


def items(view: str, inspected: InspectedRecord) -> list[Item]:
    """The items of a view."""
    makers: Mapping[str, Callable[[InspectedRecord], Iterator[Item]]] = {
        "messages": _messages,
        "tokens": _tokens,
        "worldbook": _worldbook,
        "scripts": _scripts,
        "cut": _cut,
        "text": _text,
    }
    return list(makers[view](inspected))


# -- messages and tokens ------------------------------------------------------------------------------


def _shape(record: Record) -> Iterator[Item]:
    """How the messages were reshaped for the server, where they were; older records say nothing of it."""
    if shape := record.get("shape"):
        runs = (
            (t("inspector.shape.title"), ACCENT | BOLD),
            ("", 0),
            (t("inspector.shape.told", shape=shape), 0),
        )
        yield Item(t("inspector.shape.title"), clean_line(str(shape), 200), told=lambda: runs)


def _shortened(record: Record) -> Iterator[Item]:
    """That the prompt before this one was refused for its length, where one was."""
    if shortened := record.get("shortened"):
        title = t("inspector.shortened.title")
        words = [t("inspector.shortened.told", window=f"{shortened['window']:,}")]
        if shortened["needed"]:
            words.append(t("inspector.shortened.needed", needed=f"{shortened['needed']:,}"))
        told = [(title, ACCENT | BOLD), ("", 0), *((word, 0) for word in words)]
        yield Item(title, " ".join(words), told=lambda: told)


def _parameters(record: Record) -> Iterator[Item]:
    """What the request asked for, who said it, what the model does not take; older records have none."""
    rows = record.get("parameters")
    if not isinstance(rows, list) or not rows:
        return
    title = t("inspector.parameters.title")
    runs: list[Run] = [(title, ACCENT | BOLD), ("", 0)]
    for row in rows:
        value = json.dumps(row["value"], ensure_ascii=False)
        source = t(f"inspector.parameters.{row['source'] or 'settings'}")
        runs.append((f"{row['name']} = {clean_line(value, 200)} · {source}", 0))
        if reason := row["untaken"]:
            runs.append(("    " + t(f"inspector.parameters.untaken_{reason}"), WARNING))
    untaken = [row["name"] for row in rows if row["untaken"]]
    detail = t("inspector.parameters.left", names=in_a_list(untaken)) if untaken else ""
    text = "\n".join(run for run, _ in runs)
    yield Item(title, detail, str(len(rows)), text=text, told=lambda: runs)


def _messages(inspected: InspectedRecord) -> Iterator[Item]:
    yield from _shape(inspected.record)
    yield from _shortened(inspected.record)
    yield from chat_texts(inspected.record)
    messages = inspected.record["messages"]
    if inspected.before is None:
        compared = [MessageDifference("same", message, None) for message in messages]
    else:
        compared = compare_messages(messages, inspected.before["messages"])
    for pair in compared:
        message = pair.message
        who = clean_line(message["name"] or "", 30)
        role = t(f"inspector.role.{message['role']}") + (f" ({who})" if who else "")
        yield Item(
            slot_name(message["slot"], inspected.record),
            clean_line(message["content"], 200),
            f"{role} · {message['tokens']:,}",
            MARKS[pair.mark] if inspected.before is not None else "",
            message["content"],
            lambda pair=pair: _message_told(pair, inspected),  # type: ignore[misc]
        )
    yield from _parameters(inspected.record)
    yield from beginning(inspected.record, slot_name)
    yield from took(inspected.reply, inspected.spending)


def _text(inspected: InspectedRecord) -> Iterator[Item]:
    """The prompt as one text, where it was sent as one."""
    if is_text(inspected.record):
        runs = coloured(inspected.record)
        title = t("inspector.text.title", template=clean_line(str(inspected.record["template"]), 60))
        yield Item(title, t("inspector.text.help"), text=whole(runs), told=lambda: runs, joined=True)


def _message_told(pair: MessageDifference, inspected: InspectedRecord) -> list[Run]:
    message = pair.message
    head = t(
        "inspector.message",
        slot=slot_name(message["slot"], inspected.record),
        role=t(f"inspector.role.{message['role']}"),
        n=message["tokens"],
    )
    runs: list[Run] = [(head, ACCENT | BOLD)]
    if inspected.before is not None:
        runs.append((t(f"inspector.mark.{pair.mark}"), MUTED))
    runs.append(("", 0))
    if pair.mark == "changed" and pair.before is not None and pair.now is not None:
        styles = {"same": MUTED, "gone": ERROR | STRIKE, "new": ACCENT}
        lines = compare_texts(pair.before["content"], pair.now["content"])
        for mark, group in groupby(lines, key=lambda line: line[0]):
            told = [(SIGNS[mark] + line, styles[mark]) for _, line in group]
            runs += _folded(told) if mark == "same" else told
        return runs
    return [*runs, (message["content"], ERROR if pair.mark == "gone" else 0)]


def _folded(lines: list[Run]) -> list[Run]:
    """What did not change, by its ends alone: what did change is looked for."""
    hidden = len(lines) - 2 * AROUND
    # The line that tells of one hidden line would take its place.
    if hidden <= 1:
        return lines
    return [
        *lines[:AROUND],
        (f"{SIGNS['same']}{t('inspector.unchanged', n=hidden)}", MUTED),
        *lines[-AROUND:],
    ]


def _window(record: Record) -> Iterator[Item]:
    """How full the window is, and of what; older records say nothing of it."""
    shares = shares_of(record)
    if shares is None:
        return
    tokens, used = shares.window, shares.used
    title = t("inspector.window.title")
    told = t(
        "inspector.window.told",
        used=f"{used:,}",
        window=f"{tokens:,}",
        source=t(f"inspector.window.{shares.source}"),
    )
    runs: list[Run] = [(title, ACCENT | BOLD), ("", 0), (told, 0)]
    for name, share in shares.parts:
        bar = "█" * round(share * BAR / tokens)
        runs.append((f"{bar:<{BAR}} {t('inspector.window.' + name)} · {share:,}", 0))
    full = "█" * max(round(used * BAR / tokens), 1)
    yield Item(
        title, full, f"{used:,} / {tokens:,}", text="\n".join(run for run, _ in runs), told=lambda: runs
    )


def _tokens(inspected: InspectedRecord) -> Iterator[Item]:
    report = inspected.record["prompt"]
    slots = sorted(report["slots"], key=lambda slot: -slot["tokens"])
    whole = max(report["total"], 1)
    most = max((slot["tokens"] for slot in slots), default=1) or 1
    before = (
        {slot["slot"]: slot["tokens"] for slot in inspected.before["prompt"]["slots"]}
        if inspected.before
        else {}
    )
    for slot in slots:
        share = slot["tokens"] * 100 / whole
        # What took anything at all gets a cell.
        bar = "█" * max(round(slot["tokens"] * BAR / most), 1 if slot["tokens"] else 0)
        change = slot["tokens"] - before.get(slot["slot"], 0)
        moved = f"  ({change:+,})" if inspected.before and change else ""
        yield Item(
            slot_name(slot["slot"], inspected.record),
            bar,
            f"{slot['tokens']:,} · {share:.0f} %{moved}",
            text=slot["slot"],
            told=lambda slot=slot: _slot_told(slot, inspected),  # type: ignore[misc]
        )
    yield from _window(inspected.record)


def _slot_told(slot: Mapping[str, Any], inspected: InspectedRecord) -> list[Run]:
    # A message that was put together of several slots has the names of all of them.
    inside = [m for m in inspected.record["messages"] if slot["slot"] in m["slot"].split("+")]
    head = t("inspector.slot_told", slot=slot_name(slot["slot"], inspected.record), n=slot["pieces"])
    runs: list[Run] = [(head, ACCENT | BOLD), ("", 0)]
    for message in inside:
        runs += [(f"{t('inspector.role.' + message['role'])} · {message['tokens']:,}", MUTED)]
        runs += [(message["content"], 0), ("", 0)]
    return runs


# -- worldbook ----------------------------------------------------------------------------------------


def _worldbook(inspected: InspectedRecord) -> Iterator[Item]:
    book = inspected.record["worldbook"]
    marks = compare_entries(inspected.record, inspected.before) if inspected.before else {}
    for entry in book["activated"]:
        mark = MARKS[marks.get((str(entry["book"]), str(entry["uid"])), "same")] if marks else "✓"
        yield _fired(entry, mark)
    if inspected.before is not None:
        for entry in inspected.before["worldbook"]["activated"]:
            if marks.get((str(entry["book"]), str(entry["uid"]))) == "gone":
                yield _fired(entry, MARKS["gone"])
    for entry in book["skipped"]:
        yield Item(
            _entry_name(entry),
            t(f"create.trial.skip.{entry['reason']}"),
            clean_line(entry["book"], 30),
            "·",
            told=lambda entry=entry: [  # type: ignore[misc]
                (_entry_name(entry), ACCENT | BOLD),
                (t("inspector.entry.from", book=clean_line(entry["book"], 80), uid=entry["uid"]), MUTED),
                ("", 0),
                (t("create.trial.stays", reason=t(f"create.trial.skip.{entry['reason']}")), WARNING),
            ],
        )


def _entry_name(entry: Mapping[str, Any]) -> str:
    return clean_line(entry["comment"], 80) or t("inspector.entry.nameless", uid=entry["uid"])


def _fired(entry: Mapping[str, Any], mark: str) -> Item:
    return Item(
        _entry_name(entry),
        _why(entry),
        f"{clean_line(entry['book'], 24)} · {entry['tokens']:,}",
        mark,
        entry["content"],
        lambda: _fired_told(entry),
    )


def _why(entry: Mapping[str, Any]) -> str:
    kind = (
        # A key that was found in no message, in a later pass, was found in another entry.
        "recursion"
        if entry["reason"] == "key" and entry["message"] is None and entry["pass"] > 1
        else entry["reason"]
    )
    why = t(f"create.trial.reason.{kind}", word=clean_line(entry["key"], 60), n=entry["pass"])
    if entry["message"] is None:
        return why
    return t("inspector.entry.in_message", why=why, n=entry["message"] + 1)


def _fired_told(entry: Mapping[str, Any]) -> list[Run]:
    position = f"inspector.position.{entry['position']}"
    where = t(position if i18n.has(position) else "inspector.position.nowhere", n=entry["depth"])
    facts = [
        t("inspector.entry.from", book=clean_line(entry["book"], 80), uid=entry["uid"]),
        t(
            "inspector.entry.goes",
            where=where,
            role=t(f"inspector.role.{entry['role']}"),
            order=f"{entry['order']:g}",
        ),
        t("inspector.entry.cost", n=entry["tokens"], number=entry["pass"]),
    ]
    if entry["roll"] is not None:
        facts.append(t("inspector.entry.roll", roll=f"{entry['roll']:.0f}"))
    fires = t("create.trial.fires", reason=_why(entry))
    return [
        (_entry_name(entry), ACCENT | BOLD),
        (fires, 0),
        *((fact, MUTED) for fact in facts),
        ("", 0),
        (entry["content"], 0),
    ]


# -- scripts and what was cut -------------------------------------------------------------------------


def _scripts(inspected: InspectedRecord) -> Iterator[Item]:
    for script in inspected.record["scripts"]:
        place = t(f"inspector.place.{script['place']}")
        # A record has the id of a message that a script changed, and the name of a worldbook entry.
        contents = {m["message_id"]: m["content"] for m in inspected.record["messages"] if m["message_id"]}
        texts = [contents.get(text, text) for text in script["texts"]]
        yield Item(
            clean_line(script["script"], 80),
            place,
            t("inspector.touched", n=script["times"]),
            told=lambda script=script, place=place, texts=texts: [  # type: ignore[misc]
                (clean_line(script["script"], 200), ACCENT | BOLD),
                (t("inspector.touched_told", place=place, n=script["times"]), 0),
                ("", 0),
                *((f"· {clean_line(text, 300)}", MUTED) for text in texts),
            ],
        )


def _cut(inspected: InspectedRecord) -> Iterator[Item]:
    record = inspected.record
    report = record["prompt"]
    for name in report["unknown_macros"]:
        yield _note("macro", "{{" + clean_line(name, 60) + "}}", "?")
    for entry in record["worldbook"]["skipped"]:
        if entry["reason"] in ("budget", "book_budget"):
            why = t(f"create.trial.skip.{entry['reason']}")
            runs = (_entry_name(entry), ACCENT | BOLD), (why, 0)
            yield Item(
                _entry_name(entry),
                why,
                clean_line(entry["book"], 30),
                "✂",
                told=lambda runs=runs: runs,  # type: ignore[misc]
            )
    for kind in ("injections", "examples"):
        if report[f"{kind}_dropped"]:
            yield _note(kind, t(f"inspector.cut.{kind}", n=report[f"{kind}_dropped"]), "✂")
    if report["memory_events"]:
        yield _note("memory", t("inspector.cut.memory", n=report["memory_events"]), "·")
    # Messages that were never offered to the prompt are counted and not named.
    further = report["history_dropped"] - len(report["dropped_ids"])
    for identity in reversed(report["dropped_ids"]):
        text = inspected.texts.get(identity, "")
        yield Item(
            clean_line(text, 200) or t("inspector.cut.message"),
            t("inspector.cut.history_why"),
            mark="✂",
            text=text,
            told=lambda text=text: [(t("inspector.cut.history_told"), MUTED), ("", 0), (text, 0)],  # type: ignore[misc]
        )
    if further > 0:
        yield _note("further", t("inspector.cut.further", n=further), "✂")
    yield from memory_items(record)


def _note(kind: str, title: str, mark: str) -> Item:
    reason = t(f"inspector.cut.{kind}_told")
    return Item(title, reason, mark=mark, told=lambda: [(title, ACCENT | BOLD), ("", 0), (reason, 0)])
