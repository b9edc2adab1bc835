"""The container image is built and answers, where a builder without a daemon is at hand.

The builder is buildah, which comes with Debian. Images are kept in LUNALUX_IMAGES where that is set, so that
the base image is fetched once. Without a builder, or where the base image or packages cannot be fetched, the
test is skipped, and says why.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lunalux_core import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
BUILDER = shutil.which("buildah")
IMAGE = "localhost/lunalux-test"
UNREACHABLE = (
    *("no such host", "pinging container registry", "i/o timeout", "connection refused", "dial tcp"),
    *("NewConnectionError", "No matching distribution found", "Temporary failure in name resolution"),
    *("operation not permitted", "permission denied", "newuidmap", "unshare"),
)
"""What says that it is the machine, not the image."""


def buildah(folder: Path, *words: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
    assert BUILDER is not None
    images = os.environ.get("LUNALUX_IMAGES", str(folder))
    options = ("--storage-driver", "vfs", "--root", f"{images}/images", "--runroot", f"{images}/run")
    return subprocess.run(
        [BUILDER, *options, *words], cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )


@pytest.mark.skipif(BUILDER is None, reason="buildah is not installed")
@pytest.mark.timeout(1800)
def test_the_image_is_built_runs_as_nobody_special_and_serves(tmp_path: Path) -> None:
    extra = os.environ.get("LUNALUX_IMAGE_OPTIONS", "").split()  # such as a volume with a proxy's certificate
    built = buildah(tmp_path, "bud", "--isolation", "chroot", *extra, "-t", IMAGE, "-f", "Containerfile", ".")
    told = built.stdout + built.stderr
    if built.returncode and any(words in told for words in UNREACHABLE):
        pytest.skip(f"the image cannot be built here: {told.strip().splitlines()[-1][:200]}")
    assert built.returncode == 0, told[-3000:]
    container = buildah(tmp_path, "from", "--pull-never", IMAGE).stdout.strip()
    try:
        inside = ("run", "--isolation", "chroot", container, "--")
        assert __version__ in buildah(tmp_path, *inside, "lunalux", "--version").stdout
        assert buildah(tmp_path, *inside, "id", "-u").stdout.strip() == "10001"
        assert buildah(tmp_path, *inside, "lunalux", "admin", "status", "--json").returncode == 0
        serves(tmp_path, inside)
    finally:
        buildah(tmp_path, "rm", container)


def serves(folder: Path, inside: tuple[str, ...]) -> None:
    """The server in the container answers /ready and ends in good order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ("timeout", "-s", "TERM", "-k", "40", "40", "lunalux", "serve", "--port", str(port))
    assert BUILDER is not None
    images = os.environ.get("LUNALUX_IMAGES", str(folder))
    options = ("--storage-driver", "vfs", "--root", f"{images}/images", "--runroot", f"{images}/run")
    with subprocess.Popen([BUILDER, *options, *inside, *serve], stderr=subprocess.PIPE, text=True) as process:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                    assert answer.status == 200
                    break
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        else:
            raise AssertionError("the server in the image does not answer")
        assert process.stderr is not None
        said = process.stderr.read()
    assert '"stopped"' in said, said[-2000:]
