"""The characters a new library starts with: original cards of this project, as real PNG files.

`tools/starter_art` holds their text, paints the pictures and writes the cards.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

_ORDER = ("marigold-finch.en", "lin-wandeng.zh", "captain-sol-varga.en", "lu-tingxue.zh")


def cards() -> list[Path]:
    """The card files in the order they are to be shown; a name ends in ``.en.png`` or ``.zh.png``."""
    folder = files(__name__)
    with as_file(folder) as path:  # an installed package lies on the disk, so the path stays good
        return [path / f"{name}.png" for name in _ORDER]
