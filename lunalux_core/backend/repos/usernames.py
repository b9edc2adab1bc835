"""Which usernames there are, and when two of them are too much alike. Pure.

A name is kept as people write it; it is owned by its folded spelling and by its shape, in which letters
and digits that look alike are one. So `Alice`, `alice` and `аlice` with a Cyrillic letter are one name.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from lunalux_core.errors import InvalidInput
from lunalux_core.text import INVISIBLE

SHORTEST, LONGEST = 3, 24
_PLAIN = frozenset(" _-.'")
_LOOKALIKE = str.maketrans(
    {
        # A capital I is a small l to the eye, and casefolding has made it an i: all of them are one.
        "0": "o", "1": "l", "|": "l", "i": "l", "ı": "l", "ł": "l", "ø": "o",
        # Cyrillic
        "а": "a", "в": "b", "е": "e", "ѕ": "s", "і": "l", "ј": "j", "к": "k", "м": "m", "н": "h",
        "о": "o", "р": "p", "с": "c", "т": "t", "у": "y", "х": "x", "ԁ": "d", "ԛ": "q", "ԝ": "w",
        "һ": "h", "ҽ": "e", "ӏ": "l", "г": "r", "п": "n",
        # Greek
        "α": "a", "β": "b", "γ": "y", "ε": "e", "η": "n", "ι": "l", "κ": "k", "ν": "v", "ο": "o",
        "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "ω": "w", "ϲ": "c", "ϳ": "j",
        # Armenian
        "օ": "o", "ո": "n", "ս": "u", "հ": "h", "ց": "g",
    }
)  # fmt: skip
_RESERVED = frozenset(
    {
        *("admin", "administrator", "anonymous", "api", "everyone", "guest", "help", "lunalux", "me", "mod"),
        *("moderator", "nobody", "null", "official", "operator", "owner", "root", "security", "staff"),
        *("support", "sysop", "system", "team", "undefined", "user", "username"),
    }
)


@dataclass(frozen=True, slots=True)
class Username:
    """A name as shown, its folded spelling (`usernameLower`) and its shape. `small` is its plain small
    spelling, by which older names are owned: `straße`, which is folded to `strasse`."""

    shown: str
    lower: str
    shape: str
    small: str

    @classmethod
    def parse(cls, text: str) -> Username:
        """The name that somebody asks for.

        Raises:
            InvalidInput: USERNAME_INVALID.
        """
        shown = " ".join(unicodedata.normalize("NFKC", text).split(" ")).strip()
        if not SHORTEST <= len(shown) <= LONGEST:
            raise _invalid(f"A username has {SHORTEST} to {LONGEST} characters.")
        if not all(map(_allowed, shown)) or "  " in shown or not any(map(str.isalnum, shown)):
            raise _invalid("A username has letters and digits, and single spaces or _ - . ' between them.")
        if unicodedata.combining(shown[0]):
            raise _invalid("A username begins with a letter or a digit.")
        name = cls.known(shown)
        if name.shape.translate(_WITHOUT_MARKS) in {_shape(word) for word in _RESERVED}:
            raise _invalid("This username is reserved.")
        return name

    @classmethod
    def known(cls, shown: str) -> Username:
        """A name that was accepted before, whatever the rules are now."""
        lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
        small = unicodedata.normalize("NFKC", shown).lower()
        return cls(shown, lower, _shape(lower), small)


_WITHOUT_MARKS = str.maketrans("", "", "".join(_PLAIN))


def _allowed(character: str) -> bool:
    """Letters, marks and digits of every script; nothing invisible, no control or direction marks."""
    return character in _PLAIN or (unicodedata.category(character)[0] in "LMN" and character not in INVISIBLE)


def _shape(lower: str) -> str:
    plain = (c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    return "".join(plain).translate(_LOOKALIKE)


def _invalid(message: str) -> InvalidInput:
    return InvalidInput("USERNAME_INVALID", message, "Choose another username.", least=SHORTEST, most=LONGEST)
