"""What the card specifications ask of a document, as tables, and how a document departs from them.

The reader accepts far more than this; authors want to know all the same.

See docs/spec/formats.md: Card versions, Worldbooks inside cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.cards.envelope import BINDING, MIRROR_ALIASES, V1_FIELDS, data_of
from lunalux_core.documents.coerce import as_number, as_text

Level = Literal["error", "warning", "note"]
JsonType = Literal["string", "strings", "object", "number", "boolean", "list", "texts by language", "id"]


@dataclass(frozen=True, slots=True)
class Departure:
    """One departure. `path` is a JSON path such as ``data.tags[2]``, "" for the file as a whole.

    An error breaks the specification, a warning is likely to go wrong somewhere, a note is worth knowing.
    """

    level: Level
    path: str
    code: str
    message: str


_V2_DATA: dict[str, JsonType] = {
    **dict.fromkeys(V1_FIELDS, "string"),
    "creator_notes": "string",
    "system_prompt": "string",
    "post_history_instructions": "string",
    "alternate_greetings": "strings",
    "tags": "strings",
    "creator": "string",
    "character_version": "string",
    "extensions": "object",
}
_V3_DATA: dict[str, JsonType] = {**_V2_DATA, "group_only_greetings": "strings"}
_V2_OPTIONAL: dict[str, JsonType] = {"character_book": "object"}
_V3_OPTIONAL: dict[str, JsonType] = {
    **_V2_OPTIONAL,
    "assets": "list",
    "nickname": "string",
    "creator_notes_multilingual": "texts by language",
    "source": "strings",
    "creation_date": "number",
    "modification_date": "number",
}
_BOOK: dict[str, JsonType] = {"extensions": "object", "entries": "list"}
_BOOK_OPTIONAL: dict[str, JsonType] = {
    "name": "string",
    "description": "string",
    "scan_depth": "number",
    "token_budget": "number",
    "recursive_scanning": "boolean",
}
_ENTRY: dict[str, JsonType] = {
    "keys": "strings",
    "content": "string",
    "extensions": "object",
    "enabled": "boolean",
    "insertion_order": "number",
}
_ENTRY_OPTIONAL: dict[str, JsonType] = {
    "case_sensitive": "boolean",
    "name": "string",
    "priority": "number",
    "id": "id",
    "comment": "string",
    "selective": "boolean",
    "secondary_keys": "strings",
    "constant": "boolean",
}
_ASSET: dict[str, JsonType] = {"type": "string", "uri": "string", "name": "string", "ext": "string"}
_SCHEMES = ("embeded://", "ccdefault:", "http://", "https://", "data:", "__asset:")
_LONE = re.compile("[\ud800-\udfff]")


def check_document(document: Mapping[str, Any]) -> Iterator[Departure]:
    """Every departure of a card document, in the order of the document's parts."""
    data = data_of(document)
    if BINDING in document or (data is not None and BINDING in data):
        message = "`marketBinding` belongs to one person's library, not to the card."
        yield Departure("warning", BINDING, "BINDING_IN_CARD", message)
    spec = document.get("spec")
    if data is None:
        yield from _check_flat(document, spec)
    else:
        yield from _check_envelope(document, spec)
        yield from _check_data(data, v3=spec != "chara_card_v2" and spec is not None)
        yield from _check_mirror(document, data)
    yield from _lone_surrogates(document, "")


def _check_flat(document: Mapping[str, Any], spec: object) -> Iterator[Departure]:
    if spec is not None:
        yield Departure(
            "error", "data", "DATA_MISSING", f"`spec` says {spec}, but there is no `data` object."
        )
    yield from _check_fields(document, dict.fromkeys(V1_FIELDS, "string"), {}, "")
    yield from _check_name(document, "name")


def _check_envelope(document: Mapping[str, Any], spec: object) -> Iterator[Departure]:
    if spec is None:
        message = "`data` is there, `spec` is not; some programs will read this as a V1 card and lose `data`."
        yield Departure("error", "spec", "SPEC_MISSING", message)
        return
    if spec not in ("chara_card_v2", "chara_card_v3"):
        yield Departure(
            "error", "spec", "SPEC_UNKNOWN", f"`spec` is {spec!r}, which is no known specification."
        )
        return
    expected = "2.0" if spec == "chara_card_v2" else "3.0"
    version = document.get("spec_version")
    if not isinstance(version, str):
        yield Departure(
            "error", "spec_version", "SPEC_VERSION", f'`spec_version` must be the string "{expected}".'
        )
    elif spec == "chara_card_v3" and as_number(version, 0) > 3:
        message = f"`spec_version` {version} is newer than 3.0; what is unknown is kept."
        yield Departure("warning", "spec_version", "SPEC_NEWER", message)
    elif version != expected:
        message = f'`spec_version` is "{version}"; {spec} asks for "{expected}".'
        yield Departure("error", "spec_version", "SPEC_VERSION", message)


def _check_data(data: Mapping[str, Any], *, v3: bool) -> Iterator[Departure]:
    required, optional = (_V3_DATA, _V3_OPTIONAL) if v3 else (_V2_DATA, _V2_OPTIONAL)
    yield from _check_fields(data, required, optional, "data.")
    yield from _check_name(data, "data.name")
    if isinstance(data.get("character_book"), dict):
        yield from _check_book(data["character_book"], v3=v3)
    if v3 and isinstance(data.get("assets"), list):
        yield from _check_assets(data["assets"])
    if v3 and isinstance(languages := data.get("creator_notes_multilingual"), dict):
        for language in languages:
            if not re.fullmatch("[a-z]{2}", language):
                path = f"data.creator_notes_multilingual.{language}"
                yield Departure(
                    "error", path, "LANGUAGE_CODE", f"{language!r} is no two-letter language code."
                )


def _check_book(book: Mapping[str, Any], *, v3: bool) -> Iterator[Departure]:
    yield from _check_fields(book, _BOOK, _BOOK_OPTIONAL, "data.character_book.")
    entries = book.get("entries")
    required = {**_ENTRY, "use_regex": "boolean"} if v3 else _ENTRY
    seen: set[object] = set()
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        path = f"data.character_book.entries[{number}]"
        if not isinstance(entry, dict):
            yield Departure("error", path, "FIELD_TYPE", f"`{path}` must be an object.")
            continue
        yield from _check_fields(entry, required, _ENTRY_OPTIONAL, f"{path}.")
        position = entry.get("position")
        if position is not None and position not in ("before_char", "after_char"):
            message = "`position` must be before_char or after_char; finer places belong to `extensions`."
            yield Departure("error", f"{path}.position", "POSITION_UNKNOWN", message)
        identity = entry.get("id")
        if isinstance(identity, int | str) and identity in seen:
            message = f"The id {identity} is used twice; some programs keep only the last such entry."
            yield Departure("warning", f"{path}.id", "ENTRY_ID_TWICE", message)
        seen.add(identity if isinstance(identity, int | str) else None)


def _check_assets(assets: list[Any]) -> Iterator[Departure]:
    icons = [item for item in assets if isinstance(item, dict) and item.get("type") == "icon"]
    mains = [item for item in icons if item.get("name") == "main"]
    if len(mains) > 1 or (len(icons) > 1 and not mains):
        message = "Of several icons exactly one must be called `main`."
        yield Departure("error", "data.assets", "MAIN_ICON", message)
    for number, item in enumerate(assets):
        path = f"data.assets[{number}]"
        if not isinstance(item, dict):
            yield Departure("error", path, "FIELD_TYPE", f"`{path}` must be an object.")
            continue
        yield from _check_fields(item, _ASSET, {}, f"{path}.")
        ext, uri = item.get("ext"), as_text(item.get("uri"))
        if isinstance(ext, str) and (ext != ext.lower() or ext.startswith(".")):
            message = f"`ext` is {ext!r}; it must be in lower case and without a dot."
            yield Departure("error", f"{path}.ext", "ASSET_EXT", message)
        if uri and not uri.startswith(_SCHEMES):
            yield Departure(
                "error", f"{path}.uri", "ASSET_URI", "`uri` is of no kind that the specification knows."
            )


def _check_mirror(document: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Departure]:
    pairs = [(name, name, data.get(name)) for name in (*V1_FIELDS, "tags")]
    for path, alias in MIRROR_ALIASES.items():
        inner: Any = data
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        pairs.append((alias, ".".join(path), inner))
    for top, inner_path, inner in pairs:
        if top in document and inner is not None and document[top] != inner:
            message = (
                f"`{top}` differs from `data.{inner_path}`; programs that read the old copy see old text."
            )
            yield Departure("warning", top, "MIRROR_DIFFERS", message)


def _check_name(holder: Mapping[str, Any], path: str) -> Iterator[Departure]:
    name = holder.get("name")
    if isinstance(name, str) and not name.strip():
        yield Departure("error", path, "NAME_EMPTY", "The character has no name.")


def _check_fields(
    holder: Mapping[str, Any],
    required: Mapping[str, JsonType],
    optional: Mapping[str, JsonType],
    prefix: str,
) -> Iterator[Departure]:
    for key, kind in (*required.items(), *optional.items()):
        path = f"{prefix}{key}"
        if key not in holder:
            if key in required:
                yield Departure(
                    "error", path, "FIELD_MISSING", f"`{path}` is missing; it must be {_NAMES[kind]}."
                )
        elif not _fits(holder[key], kind):
            actual = _kind_of(holder[key])
            yield Departure("error", path, "FIELD_TYPE", f"`{path}` is {actual}; it must be {_NAMES[kind]}.")


_NAMES: dict[JsonType, str] = {
    "string": "a string",
    "strings": "a list of strings",
    "object": "an object",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "texts by language": "an object of strings",
    "id": "a number or a string",
}


def _fits(value: object, kind: JsonType) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "object":
            return isinstance(value, dict)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "texts by language":
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case "id":
            return isinstance(value, int | float | str) and not isinstance(value, bool)


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def _lone_surrogates(value: Any, path: str) -> Iterator[Departure]:
    if isinstance(value, str):
        if not value.isascii() and _LONE.search(value):
            message = (
                "Half of a character (a lone surrogate) is shown as \ufffd and refused by some programs."
            )
            yield Departure("warning", path, "LONE_SURROGATE", message)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _lone_surrogates(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _lone_surrogates(item, f"{path}[{number}]")
