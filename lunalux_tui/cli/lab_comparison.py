"""What came of a run of the laboratory: every variant beside the first one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lunalux_core.dialogue.turn_record_diff import compare_texts
from lunalux_core.lab.comparison import compared_turn
from lunalux_core.library.lab import LabRun
from lunalux_core.library.name_lookup import full_name, missing
from lunalux_core.runtime import Runtime
from lunalux_core.text import clean, clean_line
from lunalux_tui import i18n
from lunalux_tui.cli import output
from lunalux_tui.cli.lab import check_row, price_of
from lunalux_tui.i18n import t

Row = dict[str, Any]
MOST_CHANGES, MOST_LINES, LONGEST_LINE = 12, 6, 200
"""Parts of a prompt, lines of a part and letters of a line that are shown to people; JSON has all."""


async def comparison(runtime: Runtime, run: LabRun, turn: str = "") -> list[Row]:
    """A row for each turn with its results in order; those that were not had yet are left out.

    Raises:
        NotFound: LAB_TURN_NOT_FOUND.
    """
    names = list(dict.fromkeys(cell.turn for cell in run.cells))
    if turn:
        whole = full_name(turn, names)
        if whole is None:
            raise missing(
                "LAB_TURN_NOT_FOUND",
                f"There is no turn {turn!r} in this run.",
                "`lunalux lab show --json` names them.",
                turn,
                names,
            )
        names = [whole]
    return [_told(await compared_turn(runtime.library.lab, run, name)) for name in names]


def _told(turn: Row) -> Row:
    """A turn with times and reasons as rows have them."""
    results = []
    for result in turn["results"]:
        checks = [check_row(dict(check)) for check in result["checks"]]
        results.append({**result, "checks": checks, "created_at": output.moment(result["created_at"])})
    return {**turn, "results": results}


def print_comparison(turns: Sequence[Row]) -> None:
    """For people: numbers of all variants, then the words, then what the prompt changed."""
    for number, turn in enumerate(turns):
        if number:
            output.print_text()
        _print_line(f"# {turn['turn']}")
        results = turn["results"]
        if not results:
            output.say("nothing_there")
            continue
        output.print_table(
            ["variant", "tokens", "prompt", "cost", "seconds", "other words", "checks"],
            [_numbers(result) for result in results],
        )
        for result in results:
            output.print_text()
            _print_line(f"## {_label(result)}")
            _print_words(result)
            for line in _changes(result["difference"]):
                _print_line(line)
            for check in result["checks"]:
                if not check["passed"]:
                    _print_line(f"! {check['name'] or check['check']}: {check['reason']}")


def _label(result: Row) -> str:
    return result["variant"] if result["repeat"] == 1 else f"{result['variant']} {result['repeat']}"


def _numbers(result: Row) -> list[object]:
    usage, prompt, checks = result["usage"] or {}, result["prompt"] or {}, result["checks"]
    difference = result["difference"]
    return [
        _label(result),
        usage.get("completion_tokens", "-"),
        prompt.get("tokens", "-"),
        price_of(result),
        result["seconds"],
        difference["words"] if difference else "-",
        f"{sum(check['passed'] for check in checks)}/{len(checks)}",
    ]


_MARKS = {"gone": ("[-", "-]", "\x1b[31m"), "new": ("{+", "+}", "\x1b[32m")}


def _print_words(result: Row) -> None:
    """The reply, with the words that only one of both has in marks: [-gone-] and {+new+}."""
    difference = result["difference"]
    pieces = difference["pieces"] if difference else [{"mark": "same", "text": result["content"] or ""}]
    if difference and not difference["words"] and all(piece["mark"] == "same" for piece in pieces):
        _print_line(t("cli.lab_same_words"))
    else:
        _print_pieces(pieces)


def _print_line(text: str) -> None:
    _print_pieces([{"mark": "same", "text": text}])


def _print_pieces(pieces: Sequence[Mapping[str, str]]) -> None:
    """Text with its marks; on a terminal in lines that fit it."""
    styles = {"same": 0, "gone": 1, "new": 2}
    runs = []
    for piece in pieces:
        before, after, _ = _MARKS.get(piece["mark"], ("", "", ""))
        runs.append((f"{before}{clean(piece['text'])}{after}", styles[piece["mark"]]))
    # A file or another program gets the text unbroken, and without colours.
    if not sys.stdout.isatty():
        output.print_text("".join(text for text, _ in runs))
        return
    from lunalux_tui.render.wrap import wrap

    width = shutil.get_terminal_size().columns
    inks = ["", _MARKS["gone"][2], _MARKS["new"][2]] if output.colour() else ["", "", ""]
    for line in wrap(runs, width):
        output.print_coloured((text, inks[style]) for text, style in line)


def _changes(difference: Row | None) -> Iterator[str]:
    """What the prompt changed, a line each."""
    if difference is None:
        return
    prompt = difference["prompt"]
    if prompt["cause"] == "same" and not prompt["parameters"]:
        yield t("cli.lab_same_prompt")
        return
    for parameter in prompt["parameters"]:
        yield t(
            "cli.lab_parameter",
            name=parameter["name"],
            before=_shown(parameter["before"]),
            now=_shown(parameter["now"]),
        )
    for entry in prompt["entries"]:
        yield t(f"cli.lab_entry_{entry['mark']}", name=entry["name"], book=entry["book"])
    parts = prompt["messages"]
    for part in parts[:MOST_CHANGES]:
        yield t(
            f"cli.lab_part_{part['mark']}",
            slot=_slot(part),
            before=part["tokens_before"],
            now=part["tokens"],
        )
        yield from _lines(part)
    if len(parts) > MOST_CHANGES:
        yield t("cli.lab_parts_more", n=len(parts) - MOST_CHANGES)


def _lines(part: Row) -> Iterator[str]:
    """The first lines of a part that are other ones."""
    if part["mark"] != "changed":
        return
    lines = [(mark, line) for mark, line in compare_texts(part["before"], part["now"]) if line.strip()]
    for mark, line in [changed for changed in lines if changed[0] != "same"][:MOST_LINES]:
        yield f"  {'-' if mark == 'gone' else '+'} {clean_line(line, LONGEST_LINE)}"


def _slot(part: Row) -> str:
    names = list(part["names"])
    if names:
        return " + ".join(names)
    keys = [f"inspector.slot.{slot}" for slot in part["slot"].split("+")]
    return " + ".join(t(key) if i18n.has(key) else key.rpartition(".")[2] for key in keys)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
