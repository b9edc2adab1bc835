"""CHARX: a card and its assets in one ZIP archive.

Members are read under the limits of `documents.archives`; those that are not understood travel on unchanged.

See docs/spec/formats.md: CHARX and assets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.assets import Asset, data_uri_bytes, list_assets, main_picture, picture_ext
from lunalux_core.cards.card import Card
from lunalux_core.cards.envelope import as_v3
from lunalux_core.documents import archives
from lunalux_core.documents.json_text import MAX_JSON_BYTES, decode_text, dump_json
from lunalux_core.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

MAX_INFLATED = archives.CARD.together
MAX_PICTURE = 64 * 1024 * 1024
"""Bytes of the largest picture that is taken out of an archive."""

CARD_MEMBER = "card.json"
RISU_MODULE = "module.risum"
MODULE_WARNING = "The card carries a RisuAI module (lorebook, scripts) that Lunalux keeps and does not run."

# The first date that Zip knows: no clock goes into the bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class CharxCard:
    """What an archive holds. `picture_ext` begins with a dot; `members` are the paths of all files."""

    card: Card
    picture: bytes | None
    picture_ext: str
    assets: tuple[Asset, ...]
    members: tuple[str, ...]
    warnings: tuple[str, ...]


class Archive:
    """An archive that was judged: the files it lists, and their bytes under limits."""

    def __init__(self, archive: ZipFile, members: dict[str, ZipInfo]) -> None:
        self._archive = archive
        self.members = members

    @classmethod
    def of(cls, data: bytes) -> Archive:
        """Raises as `read_charx`."""
        archive = _open(data)
        return cls(archive, _checked(archive))

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of one of its files. Raises as `read_charx`."""
        return _read(self._archive, self.members[name], limit)


def read_charx(data: bytes) -> CharxCard:
    """Read an archive, also one with a picture or a program in front of it.

    Raises:
        InvalidInput: CHARX_DAMAGED, CHARX_UNSAFE, CARD_NO_METADATA without card.json, CARD_ENCRYPTED, and
            what `json_text` raises.
        LimitExceeded: CHARX_TOO_LARGE, CHARX_TOO_MANY_FILES.
    """
    archive = _open(data)
    members = _checked(archive)
    card_member = next((info for name, info in members.items() if name.lower() == CARD_MEMBER), None)
    if card_member is None:
        raise _no_card(members)
    text, mended = decode_text(_read(archive, card_member, MAX_JSON_BYTES))
    card = Card.parse(text)
    warnings = list(mended)
    if card.spec != "v3":
        warnings.append("The archive's card is not in version 3 of the card format, which CHARX asks for.")
    if RISU_MODULE in members:
        warnings.append(MODULE_WARNING)
    assets = list_assets(card, {name: info.file_size for name, info in members.items()})
    lost = [asset.name or asset.uri for asset in assets if asset.where == "missing"]
    if lost:
        warnings.append(f"The archive lacks {len(lost)} of the files it names, among them {lost[0]}.")
    picture = _picture(data, archive, members, assets)
    ext = (picture_ext(picture) if picture is not None else None) or ""
    # What the list calls a picture counts as one only by its bytes.
    return CharxCard(card, picture if ext else None, ext, assets, tuple(members), tuple(warnings))


def read_member(data: bytes, name: str) -> bytes:
    """The bytes of one file of an archive. Raises as `read_charx`, and InvalidInput ASSET_NOT_FOUND."""
    archive = _open(data)
    members = _checked(archive)
    if name not in members:
        raise InvalidInput(
            "ASSET_NOT_FOUND", f"The archive holds no file {name}.", "Choose one of its assets.", name=name
        )
    return _read(archive, members[name], MAX_INFLATED)


def write_charx(document: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """An archive of a V3 card and its files, by member path. Equal input makes equal bytes."""
    return write_archive({CARD_MEMBER: dump_json(as_v3(document), indent=2).encode(), **files})


def write_archive(files: dict[str, bytes]) -> bytes:
    """An archive of these files, by member path. Equal input makes equal bytes."""
    from io import BytesIO
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name, content in files.items():
            info = ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            # Pictures are compressed already.
            info.compress_type = ZIP_STORED if picture_ext(content) else ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def sizes(data: bytes) -> dict[str, int]:
    """The size of every file of an archive, by path; nothing is unpacked. Raises as `read_charx`."""
    return {name: info.file_size for name, info in _checked(_open(data)).items()}


def all_files(data: bytes) -> dict[str, bytes]:
    """Every member of an archive but the card itself, in order. Raises as `read_charx`."""
    archive = _open(data)
    members = _checked(archive)
    return {
        name: _read(archive, info, MAX_INFLATED)
        for name, info in members.items()
        if name.lower() != CARD_MEMBER
    }


def is_zip(data: bytes) -> bool:
    """Whether there is a ZIP archive in the file, at its beginning or after something else."""
    if data.startswith(archives.START):
        return True
    # The end record is within the last 22 + 65,535 bytes: after it stands at most a comment.
    return data.rfind(b"PK\x05\x06", max(0, len(data) - 66_000)) >= 0 and archives.START in data


def _open(data: bytes) -> ZipFile:
    from io import BytesIO

    # zipfile finds most archives after other bytes; where it does not, the archive alone is tried.
    for start in (0, data.find(archives.START)):
        try:
            return archives.open_archive(BytesIO(data[start:] if start > 0 else data))
        except (archives.DamagedArchive, OSError):
            continue
    raise _damaged("it has no table of contents")


def _checked(archive: ZipFile) -> dict[str, ZipInfo]:
    """The files of an archive by path, after the rules of "CHARX and assets" have been applied to all of
    them."""
    infos = archive.infolist()
    try:
        archives.check_number(infos, archives.CARD)
        for info in infos:
            _check_entry(info)
        archives.check_sizes(infos, archives.CARD)
    except archives.TooManyFiles:
        raise LimitExceeded(
            "CHARX_TOO_MANY_FILES",
            f"The archive holds more than {archives.CARD.files} files.",
            "Remove some of its assets.",
            limit=archives.CARD.files,
        ) from None
    except archives.TooLarge:
        raise LimitExceeded(
            "CHARX_TOO_LARGE",
            f"The archive would grow beyond what is allowed ({MAX_INFLATED // 2**20} MB) when unpacked.",
            "Remove large assets from it, or get it from another source.",
            limit=MAX_INFLATED,
        ) from None
    return {info.filename: info for info in infos if not info.is_dir()}


def _check_entry(info: ZipInfo) -> None:
    if archives.leads_out(info):
        raise InvalidInput(
            "CHARX_UNSAFE",
            "The archive names a file outside of itself, as harmful archives do.",
            "Do not use it; get the card from another source.",
        )
    if archives.is_locked(info):
        raise InvalidInput(
            "CARD_ENCRYPTED", "The archive is encrypted.", "Ask its creator for an open export."
        )


def _read(archive: ZipFile, info: ZipInfo, limit: int) -> bytes:
    """A member's bytes, never more than `limit` of them."""
    try:
        return archives.read(archive, info, limit)
    except archives.DamagedArchive as error:
        raise _damaged(str(error)) from None
    except archives.TooLarge:
        raise LimitExceeded(
            "CHARX_TOO_LARGE",
            f"A file in the archive is larger than {limit // 2**20} MB.",
            "Remove it from the archive.",
            limit=limit,
        ) from None


def _picture(
    data: bytes, archive: ZipFile, members: dict[str, ZipInfo], assets: tuple[Asset, ...]
) -> bytes | None:
    """The main picture; failing that, the picture the archive is appended to."""
    chosen = main_picture(assets)
    if chosen is not None and chosen.where == "data":
        return data_uri_bytes(chosen.key)
    if chosen is not None:
        return _read(archive, members[chosen.key], MAX_PICTURE)
    if picture_ext(data):
        return data[: data.find(archives.START)]
    return None


def _no_card(members: dict[str, ZipInfo]) -> InvalidInput:
    return InvalidInput(
        "CARD_NO_METADATA", "This archive holds no card.json.", "Choose a .charx file or a PNG card."
    )


def _damaged(reason: str) -> InvalidInput:
    return InvalidInput(
        "CHARX_DAMAGED",
        f"The archive is damaged: {reason}.",
        "Download it again.",
        reason=reason,
    )
