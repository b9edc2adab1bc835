"""The process in which regular expressions from cards run, so that it can be killed (FORMATS 4.5).

Frames on standard input and output: a 4-byte big-endian length, then that many bytes. A request is two
frames, JSON ``{"jobs": […], "share": seconds, "left": seconds}`` and the text in UTF-8; the answer is one
JSON frame for each job, as soon as it is done, so that the parent knows which job it is waiting for. A job
may use `share` of processor time, all together `left`; where the system has such a timer (not Windows) it
ends this process when that is used up.

Imports are few on purpose: this process starts while somebody waits.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import time
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO

import regress

from lunalux_core.dialogue.ecma_units import Subject, groups_of, has_halves, rewrite

LENGTH = struct.Struct(">I")


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    body = stream.read(size)
    return body if len(body) == size else None


def write_frame(stream: BinaryIO, body: bytes) -> None:
    """One frame; the caller flushes."""
    stream.write(LENGTH.pack(len(body)))
    stream.write(body)


@lru_cache(maxsize=1024)
def _compiled(source: str, flags: str, halves: bool) -> Any:
    return regress.Regex(rewrite(source) if halves else source, flags)


def run_job(job: dict[str, Any], text: str, subjects: dict[bool, Subject]) -> dict[str, Any]:
    """The answer to one job: ``{"found": …}`` or ``{"error": why the pattern is refused}``.

    `found` is a boolean for a test, otherwise ``[start, end, [groups], {names}]`` for each match, where a
    group is ``[start, end]`` or null, all of them indices of the text.
    """
    source, flags = job["source"], job["flags"]
    unicode = "u" in flags or "v" in flags
    subject = subjects.get(unicode)
    if subject is None:
        subject = subjects[unicode] = Subject(text, unicode)
    halves = not unicode and (subject.halves or has_halves(source))
    try:
        regex = _compiled(source, "".join(flag for flag in flags if flag in "imsuv"), halves)
    except regress.RegressError as error:
        return {"error": str(error)}
    matches = regex.find_iter(subject.shown)
    if "y" in flags:
        matches = _adjacent(matches)
    if job["test"]:
        return {"found": next(iter(matches), None) is not None}
    return {"found": _positions(list(islice(matches, job["limit"])), source, subject)}


def _adjacent(matches: Any) -> Any:
    """Only the matches a sticky pattern finds: each one starts where the one before ended."""
    expected = 0
    for match in matches:
        if match.range().start != expected:
            return
        yield match
        expected = match.range().stop


def _positions(matches: list[Any], source: str, subject: Subject) -> list[Any]:
    count, names = groups_of(source)
    slices: list[list[slice | None]] = [
        [match.range(), *(match.group(number) for number in range(1, count + 1))]
        + [match.named_group(name) for name in names]
        for match in matches
    ]
    index = subject.indices(
        edge for parts in slices for part in parts if part is not None for edge in (part.start, part.stop)
    )

    def place(part: slice | None) -> list[int] | None:
        return None if part is None else [index[part.start][0], index[part.stop][1]]

    rows = []
    for parts in slices:
        whole, *groups = map(place, parts)
        start, end = whole or (0, 0)
        rows.append([start, end, groups[:count], dict(zip(names, groups[count:], strict=True))])
    return rows


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    write_frame(answers, b'{"ready":true}')
    answers.flush()
    while (head := read_frame(requests)) is not None and (body := read_frame(requests)) is not None:
        text = body.decode("utf-8", "surrogatepass")
        subjects: dict[bool, Subject] = {}
        request = json.loads(head)
        left = request["left"]
        for job in request["jobs"]:
            began = time.process_time()
            seconds = min(request["share"], left)
            _limit(max(seconds, 0))
            answer = run_job(job, text, subjects) if seconds > 0 else {"late": True}
            used = time.process_time() - began
            encoded = json.dumps({**answer, "seconds": used}).encode()
            _limit(0)
            left -= used
            write_frame(answers, encoded)
            answers.flush()


def _limit(seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 takes the order back."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the program, not for its helper
    _serve(sys.stdin.buffer, sys.stdout.buffer)
