"""Being called back: only where the terminal can, and never with a word that could steer it."""

from __future__ import annotations

import pytest

from lunalux_tui.app.notifications import notification


@pytest.mark.parametrize(
    ("environ", "sequence"),
    [
        ({"TERM_PROGRAM": "WezTerm"}, "\x1b]9;Mira: done, yes\x1b\\"),
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm-kitty"}, "\x1b]9;Mira: done, yes\x1b\\"),
        ({"TERM": "foot-extra"}, "\x1b]777;notify;Mira;done, yes\x1b\\"),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM_PROGRAM": "WezTerm", "TMUX": "/tmp/x"}, ""),
    ],
)
def test_each_terminal_gets_what_it_understands(environ: dict[str, str], sequence: str) -> None:
    assert notification("Mira", "done; yes", environ) == sequence
