"""A program of its own: a PNG on standard input, a 400×400 WebP on standard output.

It runs as a separate, limited process, because decoding a stranger's picture is the one step of publishing
that can eat memory and time. It imports nothing of Lunalux and is started by file, so it begins quickly.
Exit status 2 means that the picture cannot be used.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import io
import sys
import warnings

SIZE = (400, 400)
QUALITY = 82
MAX_PIXELS = 16_777_216
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 10
FACE = (0.5, 0.25)  # portraits: keep the upper part


def limit_self() -> None:
    """Cap memory and processor time where the system can; elsewhere the parent's clock must do."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_SECONDS)):
        try:
            _, hard = resource.getrlimit(what)
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (limit, hard))
        except (OSError, ValueError):  # macOS refuses to limit address space
            continue


def thumbnail(png: bytes) -> bytes:
    """The picture's upper middle, cut square and scaled; no metadata survives."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        picture.load()
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        square = ImageOps.fit(picture.convert("RGBA" if has_alpha else "RGB"), SIZE, centering=FACE)
    out = io.BytesIO()
    square.info.clear()
    square.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def main() -> int:
    limit_self()
    try:
        webp = thumbnail(sys.stdin.buffer.read())
    except Exception as error:  # whatever a decoder raises, the answer is the same: not a usable picture
        sys.stderr.write(f"{type(error).__name__}\n")
        return 2
    sys.stdout.buffer.write(webp)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
