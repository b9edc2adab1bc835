"""Crash reports: written on this computer, fit to be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.diagnostics.crash import KEPT, crashed, reports
from lunalux_core.diagnostics.redaction import anonymous, redact

ADDRESSES = ("ann@example.org", "bob@intranet", "eve!#$x@example.org", "dan@[127.0.0.1]")


def failing(message: str) -> Exception:
    secret = "sk-a-local-variable-with-a-key"
    try:
        raise ValueError(message + secret[:0])
    except ValueError as error:
        return error


def test_a_report_names_the_place_of_the_failure_and_no_secret(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "my-own-strange-key")
    monkeypatch.setattr("sys.argv", ["lunalux", "chat", "Marigold", "-m", "private words", "--model=x"])
    error = crashed(failing(f"sk-abcdefghijk my-own-strange-key {' '.join(ADDRESSES)}"), paths)
    (path,) = reports(paths)
    text = path.read_text()
    assert str(path) in error.hint
    assert "in failing" in text and "ValueError" in text
    assert "lunalux chat -m --model" in text
    for secret in (
        "sk-abcdefghijk",
        "my-own-strange-key",
        *ADDRESSES,
        "private words",
        str(Path.home()),
    ):
        assert secret not in text


def test_old_reports_go(paths: Paths) -> None:
    for number in range(KEPT + 5):
        crashed(failing(str(number)), paths)
    assert len(reports(paths)) == KEPT


def test_a_disk_that_refuses_is_told(paths: Paths) -> None:
    paths.logs.parent.mkdir(parents=True)
    paths.logs.write_text("a file where the folder should be")
    error = crashed(failing("x"), paths)
    assert "no report" in error.hint


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("sk-proj-0123456789abcdef", "0123456789abcdef"),
        ("AIzaSyA-1234567890abcdefghij", "1234567890"),
        ("Bearer abcdef.ghi_jkl", "abcdef"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "eyJzdWIi"),
        ("https://x/y?token=abc123&z=1", "abc123"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, secret: str) -> None:
    told = redact(f"failed with {text} there")
    assert secret not in told
    assert told.startswith("failed with ") and told.endswith(" there")


def test_ordinary_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere-special")
    assert anonymous("The lamp burns at 3 o'clock.", {"PATH": "/bin"}) == "The lamp burns at 3 o'clock."
