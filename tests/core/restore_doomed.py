"""A restore that is killed at its n-th step on the disk: `restore_doomed.py HOME BACKUP STEP`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lunalux_core.config.paths import Paths
from lunalux_core.library.backup import restore


def main() -> None:
    home, source, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    left = [last]

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def work(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return step(*arguments, **options)

        return work

    for owner, names in ((Path, ("rename", "replace", "unlink")), (shutil, ("rmtree", "copy2"))):
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))
    restore(Paths.find({"LUNALUX_HOME": home}), source)


if __name__ == "__main__":
    main()
