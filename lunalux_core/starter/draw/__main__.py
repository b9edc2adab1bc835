"""Write the starter cards anew: `python -m lunalux_core.starter.draw [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from lunalux_core.starter.draw.pack import HOME, pack

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HOME
    for written in pack(target):
        sys.stdout.write(f"{written} ({written.stat().st_size // 1024} KB)\n")
