"""The TOML of a file that people write, with what is wrong in it said in few words."""

from __future__ import annotations

import tomllib
from typing import Any


def read_toml(data: bytes) -> tuple[str, dict[str, Any]]:
    """The text of a file, with plain line ends, and what it says.

    Raises:
        ValueError: it is no TOML; its words are the reason, and front ends know them.
    """
    try:
        # Editors on Windows put a byte order mark at the beginning, which is not TOML.
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it holds bytes that are not UTF-8 (at line {line})") from None
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # a number of thousands of digits, told in words about Python
        raise ValueError("a number in it is too long") from None
