"""The documents say what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
READMES = ("README.md", "README.zh.md")

_spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
assert _spec is not None and _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)


@pytest.mark.parametrize("name", sorted(make.PAGES))
def test_reference_pages_are_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text("utf-8")
    assert written == make.PAGES[name](), "run `python docs/make.py`"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(python3 -m venv [^\n]+)\n```", readme)
    assert len(blocks) == 2
    assert blocks[1] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


PAGES = [*READMES, "CONTRIBUTING.md", *sorted(str(page.relative_to(ROOT)) for page in DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_links_to_a_section_name_a_heading(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        there = (ROOT / page).parent / target if target else ROOT / page
        page_there = there.read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", page_there, re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        marks = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page_there)
        assert anchor in {*slugs, *marks}, f"{page}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for named in re.findall(r"`((?:lunalux_core|lunalux_tui|tests|tools|themes)/[\w./-]*)`", text):
        assert (ROOT / named).exists(), named


def test_both_readmes_say_how_to_run_and_to_test() -> None:
    commands = [
        re.findall(r"```sh\n(python3 -m venv [^\n]+)\n```", (ROOT / name).read_text("utf-8"))
        for name in READMES
    ]
    assert commands[0] == commands[1]


def test_commands_in_the_guides_exist() -> None:
    for page in [*(ROOT / name for name in READMES), *DOCS.glob("*.md")]:
        blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
        for noun in re.findall(r"^(?:[A-Z_]+=\S+ )*lunalux ([a-z]+)\b", blocks, re.MULTILINE):
            assert noun in make.NOUNS, (page.name, noun)
