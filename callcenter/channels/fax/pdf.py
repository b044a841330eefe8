"""An uploaded PDF becomes fax pages, or a sentence that says why not; failure leaves nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from callcenter.platform import programs
from callcenter.platform.errors import InvalidField, Unavailable

MOST_BYTES: Final = 20 * 1024 * 1024
_LIMIT: Final = timedelta(seconds=60)


class TooManyUploads(Unavailable):
    """Other documents are being read: try again in a moment."""

    slug = "too-many-uploads"


class PdfReader:
    """Reads PDFs one at a time, each in a process of its own that ends after `limit`.

    `folder` holds the file while it is read.
    """

    def __init__(self, folder: Path, *, limit: timedelta = _LIMIT, waiting: int = 4) -> None:
        self._folder = folder
        self._limit = limit
        self._gate = asyncio.Semaphore(1)
        self._places = waiting

    async def pages(self, content: bytes, target: Path) -> int:
        """Write the pages of a PDF to `target`; how many there are.

        Raises `InvalidField` (what is wrong with the file), `TooManyUploads`.
        """
        if len(content) > MOST_BYTES:
            raise InvalidField("body", f"at most {MOST_BYTES // 1024**2} MB")
        if b"%PDF-" not in content[:1024]:
            raise InvalidField("body", "is not a PDF")
        if not self._places:
            raise TooManyUploads
        self._places -= 1
        source = self._folder / f".{target.stem}.pdf"
        try:
            async with self._gate:
                await asyncio.to_thread(_put, source, content)
                return await self._read(source, target)
        except BaseException:
            target.unlink(missing_ok=True)
            target.with_name(f".{target.name}.part").unlink(missing_ok=True)
            raise
        finally:
            self._places += 1
            source.unlink(missing_ok=True)

    async def _read(self, source: Path, target: Path) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callcenter.channels.fax.rasterise"),
            *(str(source), str(target)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                output, _ = await process.communicate()
        except TimeoutError:
            raise InvalidField("body", "takes too long to draw: print it to a plain PDF") from None
        finally:
            await programs.end(process)
        try:
            said = json.loads(output)
        except ValueError:
            # Killed by one of its limits, or by PDFium's own fault.
            raise InvalidField("body", "cannot be drawn: print it to a plain PDF") from None
        if "refused" in said:
            raise InvalidField("body", str(said["refused"]))
        return int(said["pages"])


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
