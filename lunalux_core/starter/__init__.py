"""Original characters of this project, as real PNG files: four that a new library starts with, and with them
those that a new embedded market begins with.

`tools/starter_art` holds their text, paints the pictures and writes the cards.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

_LIBRARY = ("marigold-finch.en", "lin-wandeng.zh", "captain-sol-varga.en", "lu-tingxue.zh")
_MARKET_ONLY = (
    "garrow-underbridge.en",
    "xu-dachuan.zh",
    "wren-halloran.en",
    "kang-jiuniang.zh",
    "ambrose-pettibone.en",
    "tie-jiaolian.zh",
    "honora-devane.en",
    "cheng-wang.zh",
    "odalys-reyes.en",
    "xie-sangeng.zh",
    "ravel.en",
    "liu-sanxian.zh",
)


def cards() -> list[Path]:
    """The cards of a new library as they are to be shown; a name ends in ``.en.png`` or ``.zh.png``."""
    return _paths(_LIBRARY)


def market_cards() -> list[Path]:
    """The cards of a new market: those of a new library first. Beside each lies its small picture (.webp)."""
    return _paths(_LIBRARY + _MARKET_ONLY)


def _paths(names: tuple[str, ...]) -> list[Path]:
    with as_file(files(__name__)) as folder:  # an installed package lies on the disk, so the path stays good
        return [folder / f"{name}.png" for name in names]
