"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def put_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write beside `path`, force it to the disk, then take its place. Blocking; raises OSError.

    Whoever reads the old file goes on with it; two writers at once leave one of their two files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:  # cancelled too: nothing half-written stays behind
        temporary.unlink(missing_ok=True)
        raise
