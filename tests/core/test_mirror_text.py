"""A branch of a story as Markdown: every text comes back sign by sign, whatever it looks like."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lunalux_core.mirror.story_text import (
    Block,
    StoryText,
    read_story,
    read_text,
    text_hash,
    write_story,
    written_text,
)

ROLES = st.sampled_from(["user", "assistant", "system"])
PIECES = st.sampled_from(
    [
        "## ",
        "\\## ",
        "\\",
        "## Ada <!-- 0b9c assistant -->",
        "<!-- x user -->",
        "---",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "  \n",
        " ",
        "\t",
        "\x00",
        "\x1b[31m",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u202e",
        "&#xA;",
        "&amp;#xA;",
        "&#x41;",
        "&",
        "#",
        "中文。",
        "🦊",
        "\udc80",
        "```\n",
    ]
)
TEXTS = st.one_of(
    st.lists(st.one_of(PIECES, st.text(st.characters(), max_size=8)), max_size=12).map("".join), st.text()
)
NAMES = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=4).map("".join))
BLOCKS = st.lists(
    st.builds(Block, st.from_regex(r"[0-9a-f-]{1,36}", fullmatch=True), ROLES, NAMES, TEXTS), max_size=5
)


@given(TEXTS)
@example("\n")
@example("\n## a")
@example("a\n   ")
@example("&amp;amp;#xA;")
def test_every_text_comes_back(text: str) -> None:
    written = written_text(text)
    assert read_text(f"\n\n{written}\n\n\n") == text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", written)
    assert not any(line.startswith("## ") for line in written.split("\n"))


@given(st.text(), BLOCKS)
@example('a"\n---\n', [])
@example("", [Block("a", "user", "<!-- b user -->", "## c")])
@example("", [Block("a", "user", "", "")])
def test_every_story_comes_back(title: str, blocks: list[Block]) -> None:
    story = StoryText("24bdf9be818b", title, tuple(blocks), ("tags: [sea]",), "A note of mine.")
    text = write_story(story)
    assert read_story(text) == story
    assert read_story(text.replace("\n", "\r\n")) == story
    assert write_story(read_story(text)) == text
    assert text.endswith("\n") and not text.endswith("\n\n\n\n")


def test_a_person_writes_headings_alone() -> None:
    story = read_story("My notes.\n\n## You\n\n\nHello.\n\nMore.\n\n\n## Ada\nHi.\n\n## You\n")
    assert story.blocks == (Block("", "", "You", "Hello.\n\nMore."), Block("", "", "Ada", "Hi."))
    assert (story.conversation, story.preamble, story.tail) == ("", "My notes.", "## You")
    # What has no words yet stays where it was while somebody types.
    assert write_story(story).endswith("\n\n## You\n")


def test_a_head_of_another_program_stays() -> None:
    text = "---\naliases:\n  - sea\ntitle: Evening: the sea\n---\n\n## You\n\nHi.\n"
    story = read_story(text)
    assert (story.title, story.fields) == ("Evening: the sea", ("aliases:", "  - sea"))
    assert read_story("---\nno end\n\n## You\n\nHi.\n").blocks[0].text == "Hi."


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("a  \nb\n", "a\nb", True), ("a\n\nb", "a\nb", False), (" a", "a", False), ("\r\n", "", True)],
)
def test_blanks_at_the_ends_of_lines_are_no_change(one: str, other: str, same: bool) -> None:
    assert (text_hash(one) == text_hash(other)) is same
