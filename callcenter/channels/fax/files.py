"""Where the files of faxes are. Names are UUIDs of ours; nothing of a caller's is in a path."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from callcenter.channels.fax.tiff import pdf_of


@dataclass(frozen=True, slots=True)
class FaxFiles:
    """Below `home` (`<HOME>/faxes`):

    documents/<uuid>.tif   a version of a document
    out/<fax id>.tif       pages of an order, read by SendFAX
    incoming/<call>.tif    written by ReceiveFAX
    received/<xx>/<fax id>.pdf and .tif   finished
    """

    home: Path

    @property
    def folders(self) -> Sequence[Path]:
        names = ("documents", "out", "incoming", "received", "reading")
        return [self.home / name for name in names]

    @property
    def reading(self) -> Path:
        """Uploads while they are read."""
        return self.home / "reading"

    def document(self, file: UUID) -> Path:
        return self.home / "documents" / f"{file}.tif"

    def out(self, fax_id: UUID) -> Path:
        return self.home / "out" / f"{fax_id}.tif"

    def incoming(self, call_id: UUID) -> Path:
        return self.home / "incoming" / f"{call_id}.tif"

    def received(self, fax_id: UUID) -> Path:
        return self.home / "received" / fax_id.hex[:2] / f"{fax_id}.pdf"

    def make_ready(self, file: UUID, fax_id: UUID) -> None:
        """The document as it is now, for this order: a later version does not change it.

        Blocking. Raises OSError.
        """
        target = self.out(fax_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.document(file), target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            temporary = target.with_name(f".{target.name}.part")
            shutil.copyfile(self.document(file), temporary)
            temporary.replace(target)


def pdf_bytes(tiff: Path) -> bytes:
    """The PDF of our own pages, made for this one look at them. Blocking."""
    with tempfile.TemporaryDirectory(prefix="cc-fax-") as folder:
        target = Path(folder) / "fax.pdf"
        pdf_of(tiff, target)
        return target.read_bytes()
