"""Takes credentials out of texts that are kept or shown: logs, crash reports."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

REDACTED = "[redacted]"
_SECRETS = re.compile(
    r"(?i)(?:\b(?:sk|pk|rk)-[\w-]{8,}"  # provider keys
    r"|\bAIza[\w-]{20,}"
    r"|\bAKIA[A-Z0-9]{12,}"
    r"|\bbearer\s+[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{4,}(?:\.[\w-]+){1,2}"  # JSON tokens, ours and Cognito's
    r"|(?<=[?&])(?:key|token|sig|x-amz-[\w-]+)=[^&\s\"']+)"
)
_LOGIN = re.compile(r"(?i)^(\s*[a-z][a-z0-9+.-]*://)[^/?#]*@")
_EMAIL = re.compile(r"[^\s@<>\"'()\[\]{},;:=/]+@(?:\[[^\]\s]*\]|[\w.-]*\w)")
"""Whatever may be an address: one that is no address is a smaller loss than one that is shown."""
_SECRET_NAME = re.compile(r"(?i)key|token|secret|password|credential")


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced."""
    return _SECRETS.sub(REDACTED, text)


def without_password(url: str) -> str:
    """An address without the name and the password that may stand before its host."""
    return _LOGIN.sub(r"\1", url)


def anonymous(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` fit to be shown to strangers: no credentials, no secret variables' values, no mail addresses,
    and the person's home folder as `~`."""
    for name, value in environ.items():
        if len(value) >= 6 and _SECRET_NAME.search(name):
            text = text.replace(value, REDACTED)
    text = _EMAIL.sub("[email]", redact(text))
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 3 else text
