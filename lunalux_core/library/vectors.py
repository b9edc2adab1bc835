"""Vectors of texts, kept by the hash of the text, the model and their length."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from hashlib import blake2b

from lunalux_core.database import Connection
from lunalux_core.ids import now_ms
from lunalux_core.library.parts import in_parts


def text_hash(text: str) -> str:
    """What the vector of a text is kept by."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def load_vectors(
    connection: Connection, model: str, length: int, hashes: Sequence[str]
) -> dict[str, array[float]]:
    """The stored vectors of this length by the hash of their text."""
    vectors: dict[str, array[float]] = {}
    for marks, some in in_parts(hashes):
        for row in connection.execute(
            f"SELECT hash, vector FROM vectors WHERE model = ? AND length = ? AND hash IN ({marks})",
            (model, length, *some),
        ):
            vectors[row["hash"]] = array("f", row["vector"])
    return vectors


def store_vectors(
    connection: Connection, model: str, hashes: Sequence[str], vectors: Sequence[array[float]]
) -> None:
    """Keep vectors; those of the model that have another length are forgotten."""
    if not vectors:
        return
    # Another length means another model under the same name; its vectors cannot be compared.
    connection.execute("DELETE FROM vectors WHERE model = ? AND length <> ?", (model, len(vectors[0])))
    connection.executemany(
        "INSERT OR REPLACE INTO vectors (hash, model, length, vector, created_at) VALUES (?,?,?,?,?)",
        (
            (text_hash, model, len(vector), vector.tobytes(), now_ms())
            for text_hash, vector in zip(hashes, vectors, strict=True)
        ),
    )


def forget_vectors(connection: Connection, beginning: str) -> None:
    """Delete the vectors whose keys begin with this."""
    connection.execute("DELETE FROM vectors WHERE substr(hash, 1, ?) = ?", (len(beginning), beginning))
