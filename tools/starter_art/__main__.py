"""Write the starter cards anew: `python -m tools.starter_art [FOLDER]`, at the top of a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.starter_art.pack import CARDS, pack

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CARDS
    for written in pack(target):
        sys.stdout.write(f"{written} ({written.stat().st_size // 1024} KB)\n")
