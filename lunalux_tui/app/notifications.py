"""Notifies the person when a long reply is done: by the bell, and by a desktop notification.

A notification is only sent while another window has the focus, to terminals that are known to show it;
others would print it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from textual.app import App

    from lunalux_core.config.settings import Settings

MOST = 200

_OSC_9 = frozenset({"iterm.app", "wezterm", "ghostty"})


def reply_done(app: App[object], settings: Settings, *, name: str, text: str, long: bool) -> None:
    """A reply of `name` is complete, after a `long` time or a short one."""
    if settings.bell:
        app.bell()
    if settings.notify == "auto" and long and not app.app_focus and not app.is_headless:
        sequence = notification(clean_line(name, 60), clean_line(text, MOST), os.environ)
        if sequence and app._driver is not None:
            app._driver.write(sequence)


def notification(title: str, body: str, environ: Mapping[str, str]) -> str:
    """The control sequence of the terminal in use for a notification, "" where it has none.

    `title` and `body` are free of control characters; semicolons would end a field.
    """
    title, body = title.replace(";", ","), body.replace(";", ",")
    program = environ.get("TERM_PROGRAM", "").lower()
    kind = environ.get("TERM", "")
    # The variables may still name the terminal outside, to which a multiplexer does not pass this on.
    if environ.get("TMUX") or kind.startswith(("screen", "tmux")):
        return ""
    if environ.get("KITTY_WINDOW_ID") or program in _OSC_9:
        return f"\x1b]9;{title}: {body}\x1b\\"
    if kind.startswith(("foot", "rxvt")):
        return f"\x1b]777;notify;{title};{body}\x1b\\"
    return ""
