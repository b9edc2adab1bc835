"""The documents say what the program does."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

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


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.endswith(".zh.md") and page != "README.zh.md"]
)
def test_pages_in_chinese_have_the_sections_of_the_english_ones(page: str) -> None:
    ours, theirs = (
        [
            line.partition(" ")[0]
            for line in (ROOT / name).read_text("utf-8").splitlines()
            if line[:2] in ("# ", "##")
        ]
        for name in (page, page.replace(".zh.md", ".md"))
    )
    assert ours == theirs


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


QUOTING = [*PAGES, "benchmarks/README.md", "tests/data/vectors/README.md"]
GENERATED = {"docs/cli.md"}
"""Usages as the program prints them, with words like PATH... in place of what is typed."""

_WORDS = re.compile(r"(?:[A-Z_]+=\S+ +|\.venv/bin/|\.venv\\Scripts\\)*lunalux(?: +|$)(.*)", re.DOTALL)


def quoted(text: str) -> list[tuple[str, bool]]:
    """The commands of `lunalux` on a page, and whether each stands in a block, to be typed as it is."""
    blocks = re.findall(r"^```(?:sh|powershell)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [(line, True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [(code, False) for code in re.findall(r"`([^`]+)`", rest)]
    commands = []
    for line, typed in lines:
        for command in re.split(r"\|\|?|&&|;", re.sub(r"(?:^|\s)#\s.*", "", line)):
            if words := _WORDS.fullmatch(command.strip().replace("\n", " ")):
                commands.append((words[1], typed))
    return commands


def parsed(command: str, *, typed: bool) -> str:
    """What is wrong with the words after `lunalux`, "" when they name a command with options it has."""
    words = [word for word in shlex.split(command) if word != "…"]
    if words and words[0].startswith("-"):
        return "" if words[0] in {"--help", "--version"} else f"no option {words[0]}"
    context = typer.Context(make.Nouns(name="lunalux"), info_name="lunalux")
    command_of: Any = context.command
    while words and hasattr(command_of, "list_commands"):
        name = words.pop(0)
        if name not in command_of.list_commands(context):
            return f"no command {name}"
        command_of = command_of.get_command(context, name)
        context = typer.Context(command_of, info_name=name, parent=context)
    if hasattr(command_of, "list_commands"):
        return "a command is missing" if typed and context.parent else ""
    try:
        given, left, _ = command_of.make_parser(context).parse_args(words)
    except Exception as error:
        # A sentence may name an option without its value.
        return str(error) if typed or type(error).__name__ != "BadOptionUsage" else ""
    if left:
        return f"too many words: {left}"
    needed = [param.name for param in command_of.params if param.required and not given.get(param.name)]
    return f"missing: {needed}" if typed and needed else ""


@pytest.mark.parametrize("page", sorted({*QUOTING} - GENERATED))
def test_commands_that_are_quoted_exist_with_their_options(page: str) -> None:
    wrong = {
        command: problem
        for command, typed in quoted((ROOT / page).read_text("utf-8"))
        if (problem := parsed(command, typed=typed))
    }
    assert wrong == {}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert quoted("`lunalux model`\n```sh\nA=b lunalux paths  # where\nx | lunalux import - && y\n```\n") == [
        ("paths", True),
        ("import -", True),
        ("model", False),
    ]
    assert parsed("model add x --provider openai --model m", typed=True) == ""
    for wrong in ("modle list", "model lits", "model list --jsno", "model use", "model use a b", "--jsno"):
        assert parsed(wrong, typed=True), wrong


def test_no_page_tells_to_install_what_is_not_published() -> None:
    """The name is not published: only a folder, or another project's name, can follow `pip install`."""
    for page in PAGES:
        for line in re.findall(r"pipx? install[^\n`#&|;]*", (ROOT / page).read_text("utf-8")):
            assert "lunalux" not in line, (page, line)


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert match, f"there is no target {target}"
    return [line.strip() for line in match[1].splitlines()]


def test_make_tells_every_target_that_contributors_are_told_of() -> None:
    told = set(re.findall(r"^([a-z]+):.*  ## \S", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony and told == set(phony[1].split())
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (block,) = re.findall(r"```sh\n(make\b.*?)```", page, re.DOTALL)
    words = [word for line in block.splitlines() for word in line.partition("#")[0].split()[1:]]
    named = {word for word in words if "=" not in word}
    assert named and named <= told
    assert set(re.findall(r"`make ([a-z]+)`", page)) <= told


def test_make_runs_what_the_readme_and_ci_run() -> None:
    readme = re.findall(r"```sh\n(python3 -m venv [^\n]+)\n```", (ROOT / "README.md").read_text("utf-8"))
    assert recipe("test") == [readme[1]]
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    for target in ("lint", "types", "slow", "docs"):
        for command in recipe(target):
            assert command in ci, command


def test_hooks_run_the_tools_of_make() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    tools = tuple(hook["entry"].removesuffix(" --force-exclude") for hook in hooks)
    commands = [*recipe("lint"), *recipe("types")]
    assert all(command.startswith(tools) for command in commands) and len(commands) == len(tools)


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the repository at `root` as make and CI do."""
    pytest.importorskip("mkdocs")
    assert recipe("docs") == [".venv/bin/mkdocs build --strict"]
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)


def test_a_link_that_leads_nowhere_fails_the_site(tmp_path: Path) -> None:
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(DOCS, tmp_path / "docs")
    with (tmp_path / "docs" / "guide.md").open("a", encoding="utf-8") as page:
        page.write("\n[away](nowhere.md)\n")
    result = build(tmp_path, tmp_path / "site")
    assert result.returncode != 0 and "nowhere.md" in result.stderr


def test_the_site_is_built_without_a_broken_link_and_opens_from_files(tmp_path: Path) -> None:
    result = build(ROOT, tmp_path)
    assert result.returncode == 0, result.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)\b[^>]*?(?:src|href)=\"([^\"]+)", page.read_text("utf-8"))
        assert not [one for one in loaded if "//" in one], page.name
    index = (tmp_path / "search" / "index.js").read_text("utf-8")
    found = json.loads(index.removeprefix("var sitePages = ").rstrip(";\n"))
    assert {"index.html", "keys.zh.html", "CONTRIBUTING.html"} <= {one["location"] for one in found}
