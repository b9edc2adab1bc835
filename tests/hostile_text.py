"""Text that would act on a terminal, and what to look for in the bytes a terminal got."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAYLOADS = (
    "\x1b[2J\x1b[H",
    "\x1b[31mred\x1b[0m\x1b[?1049l",
    "\x1b]0;PWNED\x07",
    "\x1b]2;PWNED\x1b\\",
    "\x1b]8;;http://pwned.example\x07link\x1b]8;;\x07",
    "\x1b]9;PWNED\x07",
    "\x1b]52;c;UFdORUQ=\x07",
    "\x1b]777;notify;PWNED;PWNED\x07",
    "\x1b]1337;File=name=UFdO:UFdORUQ=\x07",
    "\x1bPq#0;2;0;0;0PWNED\x1b\\",
    "\x1b_GPWNED\x1b\\",
    "\x1b^PWNED\x1b\\",
    "\x1bXPWNED\x1b\\",
    "\x1bc\x1b#8\x1b(0",
    "\x9b2J\x9d0;PWNED\x9c\x90PWNED\x9c\x9fPWNED\x9c",
    "".join(map(chr, range(1, 9))) + "\x0b\x0c\x0e\x0f\x7f",
    "\u202eevil\u202c\u2066x\u2069\u061c",
    "zero\u200bwidth\u200djoin\ufeff",
    "z\u0300\u0301\u0302\u0303\u0304\u0305algo",
    "[red]markup[/red][@click=app.quit]x[/]",
    "unfinished \x1b]0;PWNED",
)
"""Each is part of a name, a message or a field somewhere."""

HOSTILE = " ".join(PAYLOADS)

_ALLOWED = re.compile(rb"\x1b\[(?:0|1)?m|\x1b\[K")
"""What commands themselves write to a terminal: a bold heading, a cleared line."""

_ACTING = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""In UTF-8: C0 but line ends and tab, DEL, C1, marks that turn the direction of writing."""


def acting(raw: bytes) -> list[bytes]:
    """What in the bytes of a command would act on a terminal."""
    return [
        raw[max(found.start() - 30, 0) : found.end() + 30]
        for found in _ACTING.finditer(_ALLOWED.sub(b"", raw))
    ]


_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def kinds(raw: bytes) -> set[bytes]:
    """The kinds of sequences in the bytes of the app: a CSI by its marks and last letter, a string by its
    number."""
    found = set()
    for match in _SEQUENCE.finditer(raw):
        text = match.group()
        if text[1:2] == b"[":
            found.add(b"CSI" + re.sub(rb"[0-9;:]", b"", text[2:]))
        elif text[1:2] in (b"]", b"P", b"X", b"^", b"_"):
            found.add(text[1:2] + text[2:].split(b";")[0][:4])
        else:
            found.add(text[1:])
    return found


def loose(raw: bytes) -> list[bytes]:
    """Controls outside of any sequence, which the app never writes, and sequences with words of a payload."""
    rest = _SEQUENCE.sub(b"", raw)
    found = [match.group() for match in re.finditer(_ACTING, rest.replace(b"\x1b", b""))]
    for match in _SEQUENCE.finditer(raw):
        if b"PWNED" in match.group() or b"UFdO" in match.group():
            found.append(match.group())
    return found


@contextmanager
def hostile_backend(status: int = 503, **more: Any) -> Iterator[str]:
    """A backend whose every answer is a refusal in hostile words that repeats the session it was sent."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            token = self.headers.get("x-session-token") or ""
            said = {
                "success": False,
                "code": "MAINT\x1b[2JENANCE",
                "message": f"{HOSTILE} token={token}",
                **more,
            }
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
