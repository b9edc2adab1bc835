"""What a person types or drops as the paths of an import."""

from __future__ import annotations

from pathlib import Path

from lunalux_tui.parts.files import split_paths


def test_one_path_may_have_blanks_and_several_may_be_quoted(tmp_path: Path) -> None:
    one = tmp_path / "my cards.zip"
    other = tmp_path / "b.png"
    for file in (one, other):
        file.write_bytes(b"x")
    assert split_paths(str(one)) == [str(one)]
    assert split_paths(f"{one}\n\n {other} ") == [str(one), str(other)]
    assert split_paths(f"'{one}' {other}") == [str(one), str(other)]
    assert split_paths(f"'{one}'") == [str(one)]
    assert split_paths(f"file://{other}") == [str(other)]
    assert split_paths(f"{one.as_uri()} {other.as_uri()}") == [str(one), str(other)]
    assert split_paths("no such file anywhere") == ["no such file anywhere"]
    assert split_paths("an 'unfinished quote") == ["an 'unfinished quote"]
    assert split_paths("") == []
