"""The languages that the program, its prompts and the market come in."""

from typing import Literal

Language = Literal["en", "zh"]
