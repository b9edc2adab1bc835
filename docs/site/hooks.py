"""What the site needs beside mkdocs: the pages above docs/, and a search that works from files.

The search that comes along fetches its index, which no browser allows to a page that was opened from a file,
and it finds words between spaces only, of which Chinese has none. Here the index is a script, and `search.js`
looks for what was typed anywhere in a text.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
ABOVE = ("CONTRIBUTING.md", "CHANGELOG.md")
"""Pages that stand beside docs/, where people look for them first."""

_LINK = re.compile(r"\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in ABOVE:
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between docs/ and the folder above it to where the site has their pages."""
    name = page.file.src_uri
    folder = posixpath.dirname(name) if name in ABOVE else posixpath.join("docs", posixpath.dirname(name))

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        if target not in ABOVE and not target.startswith("docs/"):
            return link[0]
        there = posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(name) or ".")
        return f"]({there}{link[2]})"

    return _LINK.sub(moved, markdown)


@event_priority(-100)  # after the search plug-in, whose files these take the place of
def on_post_build(config: MkDocsConfig) -> None:
    folder = Path(config.site_dir) / "search"
    pages: list[dict[str, Any]] = json.loads((folder / "search_index.json").read_text("utf-8"))["docs"]
    shutil.rmtree(folder)
    folder.mkdir()
    # No "<" may stand in a script, in case a page quotes the end of one.
    index = json.dumps(pages, ensure_ascii=False).replace("<", "\\u003c")
    search = (Path(__file__).parent / "search.js").read_text("utf-8")
    (folder / "main.js").write_text(search, encoding="utf-8")
    (folder / "index.js").write_text(f"var sitePages = {index};\n", encoding="utf-8")
