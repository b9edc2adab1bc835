"""HTML of cards becomes words, never code; what needs a browser is folded, nothing readable is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.display.html import DisplayPart, Fold, HtmlPanel, ScriptBlock, split


def to_text(text: str) -> str:
    """The whole as Markdown: HTML becomes its words, pages and code one line that says what was there."""
    return "".join(map(_plain, split(text)))


def _plain(part: DisplayPart) -> str:
    match part:
        case str():
            return part
        case Fold():
            return f"\n**▸ {part.title}**\n\n{part.text}\n" if part.title else f"\n{part.text}\n"
        case HtmlPanel():
            name = f": {part.title}" if part.title else ""
            return f"\n[HTML panel, {part.lines} lines{name}]\n"
        case ScriptBlock():
            return "" if part.source.endswith("/>") else "[needs a script runtime]"


def squeezed(text: str) -> str:
    return re.sub(r"\n+", "\n", text).strip()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no tags, 1 > 0 & *md*", "no tags, 1 > 0 & *md*"),
        ("<b>bold</b> and <em> it </em>", "**bold** and  *it* "),
        ("a<br>b<br/>c<hr>d", "a\nb\nc\n---\nd"),
        ('<font color="red">red</font> <span style="color:#fff">white</span>', "red white"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<h2>Title</h2>text", "## Title\ntext"),
        ("<ul><li>a<li>b</ul><ol><li>c</li><li>d</li></ol>", "- a\n- b\n1. c\n2. d"),
        ("<table><tr><th>A<th>B<tr><td>1</td><td>2</td></tr></table>", "| A | B |\n| --- | --- |\n| 1 | 2 |"),
        ('x <img src="http://e/x.png" alt="a cat"> <img src=x>', "x [image: a cat] [image]"),
        ("a<style>b{}</style><script>alert('<b>')</script><!-- no -->c", "ac"),
        ('<div style="x:1; display : none">secret</div>shown<i hidden>no</i>', "shown"),
        ("<mood>happy</mood> &lt;b&gt; &amp; &nbsp;", "happy <b> &"),
        ("I <3 you, x < y and a<b", "I <3 you, x < y and a<b"),
        ("`<b>` stays code, <b>not</b> this", "`<b>` stays code, **not** this"),
        ("<b>never closed", "**never closed**"),
        ("</b> stray </div>", "stray"),
        ("<blockquote>said<br>so</blockquote>", "> said\n> so"),
        ("<div>\n    <p>\n      indented\n    </p>\n</div>", "indented"),
        ("<p title=it's>quote</p>", "quote"),
        ("<a href='https://e.org' onclick=\"x>y\">link</a>", "link"),
        ("```python\nif a <b> c: pass\n```\n<i>x</i>", "```python\nif a <b> c: pass\n```\n*x*"),
        ("<SCRIPT>never ended", ""),
    ],
)
def test_html_becomes_words(source: str, expected: str) -> None:
    assert squeezed(to_text(source)) == expected.strip()


def test_text_without_tags_is_the_same_object() -> None:
    text = "plain *markdown* & 你好\n" * 100
    (part,) = split(text)
    assert part is text


def test_a_fenced_page_is_folded() -> None:
    page = "<!DOCTYPE html>\n<html><head><title>Status  panel</title><style>p{}</style></head>\n"
    page += "<body><h1>HP</h1><p>10</p><script>run()</script></body></html>"
    before, panel, after = split(f"Before\n```html\n{page}\n```\nAfter <b>it</b>")
    assert (before, after) == ("Before\n", "After **it**")
    assert isinstance(panel, HtmlPanel)
    assert (panel.title, panel.lines, panel.source) == ("Status panel", 3, page)
    assert squeezed(panel.text) == "# HP\n10"
    assert "[HTML panel, 3 lines: Status panel]" in to_text(f"```\n{page}\n```")


def test_a_bare_page_is_folded_too() -> None:
    parts = split("Hi <html><body>x</body></html> bye")
    assert [type(part) for part in parts] == [str, HtmlPanel, str]


def test_details_are_folds() -> None:
    parts = split(
        "a<details><summary>More <b>x</b></summary>one<details><summary>in</summary>two</details></details>b"
    )
    assert [type(part) for part in parts] == [str, Fold, str]
    fold = parts[1]
    assert isinstance(fold, Fold)
    assert fold.title == "More **x**"
    assert squeezed(fold.text) == "one\n**▸ in**\ntwo"


def test_code_for_a_runtime_is_hidden_with_a_note() -> None:
    parts = split("a <% if (x) { %>b<% } %> c<UpdateVariable>\n_.set('hp',1)\n</UpdateVariable>")
    kinds = [part.kind if isinstance(part, ScriptBlock) else part for part in parts]
    assert kinds == ["a ", "ejs", "b", "ejs", " c", "mvu"]
    assert to_text("x <UpdateVariable>cut off") == "x [needs a script runtime]"
    assert to_text("x<StatusPlaceHolderImpl/>y") == "xy"


hostile = st.lists(
    st.sampled_from(
        [
            *("<", ">", "</", "<b>", "</b>", "<div ", '"', "'", "<!--", "-->", "<%", "%>", "```", "\n", "`"),
            *("<table>", "<tr>", "<td>", "<details>", "</details>", "<summary>", "<script>", "text", "&lt;"),
            *("<html>", "=", "<li>", "\ufdd2"),
        ]
    ),
    max_size=25,
)


@settings(max_examples=100)
@given(hostile)
def test_nothing_raises(pieces: list[str]) -> None:
    assert "<script" not in to_text("".join(pieces)) or "`" in pieces or "```" in pieces


@pytest.mark.parametrize(
    "piece",
    [
        "<a b='",
        "<!--",
        "<%",
        "<div>",
        "</div>",
        "<",
        "<b",
        "```\n",
        "<!x",
        "<script>",
        "<td>",
        "`<",
        "<details>",
        "<p '",
    ],
)
def test_broken_documents_cost_time_in_proportion(piece: str) -> None:
    to_text(piece * 20_000)
    to_text(piece * 20_000 + ">")


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(exclude_characters="<&`\ufdd2"), max_size=40))
def test_words_survive_in_any_element(words: str) -> None:
    kept = re.sub(r"\s+", "", words)
    assert kept in re.sub(r"\s+", "", to_text(f"<x>{words}</x>").replace("\n", ""))
