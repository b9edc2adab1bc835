"""The system's own clipboard, for terminals that do not pass on what is copied (OSC 52)."""

from __future__ import annotations

import os
import threading


def copy_natively(text: str) -> None:
    """Put `text` into the clipboard of this computer, where a tool for it is at hand, without waiting.

    Not over SSH: the clipboard meant is the one of the terminal, which only the terminal reaches.
    """
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return
    threading.Thread(target=_copy, args=(text,), name="clipboard", daemon=True).start()


def _copy(text: str) -> None:
    import pyperclip

    try:
        pyperclip.copy(text)
    except (pyperclip.PyperclipException, OSError):
        return  # no tool for it; the terminal has been asked as well
