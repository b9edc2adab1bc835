"""The process in which regular expressions from cards run, so that it can be killed.

Frames on standard input and output: a 4-byte big-endian length, then that many bytes. A request is two
frames, JSON ``{"jobs": […], "share": seconds, "left": seconds}`` and the text in UTF-8; the answer is one
JSON frame for each job, as soon as it is done, so that the parent knows which job it is waiting for. A job
may use `share` of processor time, all together `left`; where the system has such a timer (not Windows) it
ends this process when that is used up.

Imports are few on purpose: this process starts while somebody waits.

See docs/spec/formats.md: The ECMAScript engine.
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

from lunalux_core.regex.text_units import Subject, groups_of, has_halves, rewrite

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


def run_job(job: dict[str, Any], subject: Subject, seconds: float) -> dict[str, Any]:
    """The answer to one job: ``{"found": …}`` or ``{"error": why it is refused}``, each with ``"seconds"``.

    Only compiling and matching is limited to so many seconds of processor time; the rest is proportional
    to the text. `found` is a boolean for a test, otherwise ``{"at": [start, end, …], "count": groups,
    "names": […]}``: for each match in turn its edges, those of its groups and those of its named groups, as
    indices of the text and flat, because there may be a hundred thousand; -1 for a group that took no part.
    """
    source, flags = job["source"], job["flags"]
    halves = not is_unicode(flags) and (subject.halves or has_halves(source))
    began = time.process_time()
    _limit(seconds)
    try:
        # `g` and `y` say which matches are wanted and not what matches: the engine knows neither.
        regex = _compiled(source, "".join(flag for flag in flags if flag in "imsuv"), halves)
        matches = regex.find_iter(subject.shown)
        # `find_iter` searches; a sticky pattern must match where the last match ended.
        if "y" in flags:
            matches = _adjacent(matches)
        hits = list(islice(matches, job["limit"]))
    except regress.RegressError as error:
        return {"error": str(error), "seconds": time.process_time() - began}
    finally:
        _limit(0)
    used = time.process_time() - began
    return {"found": bool(hits) if job["test"] else _positions(hits, source, subject), "seconds": used}


def is_unicode(flags: str) -> bool:
    """Whether the pattern sees whole characters."""
    return "u" in flags or "v" in flags


def _adjacent(matches: Any) -> Any:
    """Only the matches a sticky pattern finds: each one starts where the one before ended."""
    expected = 0
    for match in matches:
        if match.range().start != expected:
            return
        yield match
        expected = match.range().stop


def _positions(matches: list[Any], source: str, subject: Subject) -> dict[str, Any]:
    count, names = groups_of(source)
    if count == 0:
        slices = [match.range() for match in matches]
    else:
        numbers = range(count + 1)
        slices = [
            part for match in matches for part in (*map(match.group, numbers), *map(match.named_group, names))
        ]
    if subject.plain:
        at = [edge for part in slices for edge in ((part.start, part.stop) if part else (-1, -1))]
    else:
        index = subject.indices(edge for part in slices if part for edge in (part.start, part.stop))
        at = [
            edge
            for part in slices
            for edge in ((index[part.start][0], index[part.stop][1]) if part else (-1, -1))
        ]
    return {"at": at, "count": count, "names": names}


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    write_frame(answers, b'{"ready":true}')
    answers.flush()
    while (head := read_frame(requests)) is not None and (body := read_frame(requests)) is not None:
        text = body.decode("utf-8", "surrogatepass")
        subjects: dict[bool, Subject] = {}
        request = json.loads(head)
        left = request["left"]
        for job in request["jobs"]:
            # Prepared once for each way of counting, since many patterns run on the same text.
            unicode = is_unicode(job["flags"])
            if unicode not in subjects:
                subjects[unicode] = Subject(text, unicode)
            seconds = min(request["share"], left)
            answer = run_job(job, subjects[unicode], seconds) if seconds > 0 else {"late": True, "seconds": 0}
            left -= answer["seconds"]
            write_frame(answers, json.dumps(answer).encode())
            answers.flush()


def _limit(seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 takes the order back."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the program, not for its helper
    _serve(sys.stdin.buffer, sys.stdout.buffer)
