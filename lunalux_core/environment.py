"""What a helper process may know of ours: enough to run, and no secret.

Helpers open strangers' pictures and run strangers' patterns. Keys, tokens and passwords lie in the
environment, so a helper gets the few variables that a Python needs and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NEEDED = frozenset(
    {
        *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT"),  # without them no program starts
        *("PYTHONHOME", "PYTHONUTF8", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    }
)


def worker_environment(environ: Mapping[str, str] = os.environ, **more: str) -> dict[str, str]:
    """The variables of `environ` that a helper needs, and `more`."""
    return {name: value for name, value in environ.items() if name.upper() in _NEEDED} | more
