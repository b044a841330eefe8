"""What is done with fax documents: drawn from articles, read from PDFs, made ready for an order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from callcenter.channels.fax import store
from callcenter.channels.fax.document import Printable, pages_of
from callcenter.channels.fax.files import FaxFiles, pdf_bytes
from callcenter.channels.fax.model import DocumentSource
from callcenter.channels.fax.pdf import PdfReader
from callcenter.channels.fax.store import Row
from callcenter.channels.fax.tiff import Written, hash_of, write_tiff
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import Conflict, NotFound, Stale
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text

#: Topic of the news about documents; the key is `<document>.<language>`.
DOCUMENT_TOPIC = "fax_document"


class NoSuchDocument(NotFound):
    """There is no such fax document."""

    slug = "no-such-document"


class NoSuchArticle(NotFound):
    """There is no published article of that name in that language."""

    slug = "no-such-article"


class DocumentInUse(Conflict):
    """Flows offer this document."""

    slug = "document-in-use"


class FaxNotThere(Conflict):
    """There is no file to look at."""

    slug = "fax-not-there"


class Articles(Protocol):
    """What `knowledge` offers: the published article as a document, and its version."""

    async def printable(self, article: str, language: str) -> tuple[Printable, int] | None:
        """None where there is none that may be given out."""
        ...


class DocumentService:
    """Documents that can be faxed. `font` is asked for when something is drawn, so that a missing
    font stops nothing else; without `articles` none is found."""

    def __init__(
        self,
        database: Database,
        files: FaxFiles,
        *,
        font: Callable[[], Path],
        clock: Clock,
        articles: Articles | None = None,
    ) -> None:
        self._database = database
        self._files = files
        self._font = font
        self._clock = clock
        self._articles = articles
        self._reader = PdfReader(files.reading)

    async def documents(self, after: tuple[str, str] | None, limit: int) -> list[Row]:
        async with self._database.transaction() as connection:
            return await store.list_documents(connection, after, limit)

    async def document(self, document: str, language: str) -> Row:
        """Raises `NoSuchDocument`."""
        async with self._database.transaction() as connection:
            row = await store.document_of(connection, document, language)
        if row is None:
            raise NoSuchDocument
        return row

    async def put_article(
        self,
        document: str,
        language: str,
        *,
        article: str,
        title: str | None,
        by: str,
        based_on: int | None,
    ) -> Row:
        """Draw the published article; a new version of the document.

        Raises `NoSuchArticle`, `Stale`, `InvalidField`, `NoFont`.
        """
        found = None
        if self._articles is not None:
            found = await self._articles.printable(article, language)
        if found is None:
            raise NoSuchArticle
        printable, version = found
        title = _title(title if title is not None else printable.title)
        await self._not_stale(document, language, based_on)
        file = uuid4()
        written = await self._drawn(printable, language, self._files.document(file))
        values = {
            "title": title,
            "source": DocumentSource.ARTICLE.value,
            "article": article,
            "article_version": version,
        }
        return await self._keep(document, language, file, written, values, by, based_on)

    async def put_pdf(
        self,
        document: str,
        language: str,
        content: bytes,
        *,
        title: str,
        by: str,
        based_on: int | None,
    ) -> Row:
        """Read an uploaded PDF; a new version of the document. Nothing stays of a failure.

        Raises `Stale`, `InvalidField`, `TooManyUploads`.
        """
        title = _title(title)
        await self._not_stale(document, language, based_on)
        file = uuid4()
        target = self._files.document(file)
        pages = await self._reader.pages(content, target)
        size, digest = await asyncio.to_thread(lambda: (target.stat().st_size, hash_of(target)))
        values = {
            "title": title,
            "source": DocumentSource.PDF.value,
            "article": None,
            "article_version": None,
        }
        written = Written(pages, size, digest)
        return await self._keep(document, language, file, written, values, by, based_on)

    async def delete_document(self, document: str, language: str, *, based_on: int | None) -> None:
        """Raises `NoSuchDocument`, `Stale`, `DocumentInUse`. Orders keep their own pages."""
        async with self._database.transaction() as connection:
            row = await store.document_of(connection, document, language, lock=True)
            if row is None:
                raise NoSuchDocument
            if based_on is not None and row["version"] != based_on:
                raise Stale
            flows = await store.flows_with(connection, document)
            if flows:
                raise DocumentInUse(f"These flows offer it: {', '.join(flows)}.")
            await store.delete_document(connection, document, language)
            await announce(connection, DOCUMENT_TOPIC, f"{document}.{language}")
        await asyncio.to_thread(self._files.document(row["file"]).unlink, missing_ok=True)

    async def document_tiff(self, document: str, language: str) -> bytes:
        """Raises `NoSuchDocument`, `FaxNotThere`."""
        row = await self.document(document, language)
        return await read_file(self._files.document(row["file"]), Path.read_bytes)

    async def document_pdf(self, document: str, language: str) -> bytes:
        """Raises `NoSuchDocument`, `FaxNotThere`."""
        row = await self.document(document, language)
        return await read_file(self._files.document(row["file"]), pdf_bytes)

    async def _drawn(self, printable: Printable, language: str, target: Path) -> Written:
        font = self._font()
        return await asyncio.to_thread(
            lambda: write_tiff(target, pages_of(printable, language, font))
        )

    async def _not_stale(self, document: str, language: str, based_on: int | None) -> None:
        async with self._database.transaction() as connection:
            row = await store.document_of(connection, document, language)
        if based_on is not None and (row["version"] if row else 0) != based_on:
            raise Stale

    async def _keep(
        self,
        document: str,
        language: str,
        file: UUID,
        written: Written,
        values: dict[str, Any],
        by: str,
        based_on: int | None,
    ) -> Row:
        try:
            async with self._database.transaction() as connection:
                before = await store.document_of(connection, document, language, lock=True)
                if based_on is not None and (before["version"] if before else 0) != based_on:
                    raise Stale
                row = await store.put_document(
                    connection,
                    {
                        "document": document,
                        "language": language,
                        **values,
                        "file": file,
                        "sha256": written.sha256,
                        "pages": written.pages,
                        "bytes": written.bytes,
                        "updated_at": self._clock(),
                        "updated_by": by,
                    },
                )
                await announce(connection, DOCUMENT_TOPIC, f"{document}.{language}")
        except Exception as exc:
            # A connection lost at the commit (or we, cancelled in it) does not say whether the row
            # was written: a file nobody names is better than a row without its file.
            if not isinstance(exc, DatabaseUnavailable):
                self._files.document(file).unlink(missing_ok=True)
            raise
        if before is not None:
            await asyncio.to_thread(self._files.document(before["file"]).unlink, missing_ok=True)
        return row

    async def made_ready(
        self, fax_id: UUID, document: str | Printable, language: str
    ) -> tuple[str, str | None, int]:
        """Put the pages of an order in their place: title, name of the document, pages.

        Raises `NoSuchDocument`, `FaxNotThere`, `InvalidField`, `NoFont`.
        """
        if not isinstance(document, str):
            written = await self._drawn(document, language, self._files.out(fax_id))
            return _title(document.title), None, written.pages
        # A document that is replaced in this moment takes its old file away: look once more.
        for _ in range(3):
            async with self._database.transaction() as connection:
                row = await store.best_document(connection, document, language)
            if row is None:
                raise NoSuchDocument
            try:
                await asyncio.to_thread(self._files.make_ready, row["file"], fax_id)
            except FileNotFoundError:
                continue
            return row["title"], document, row["pages"]
        raise FaxNotThere


def _title(text: str) -> str:
    return plain_text("title", text, least=1, most=200)


async def read_file(path: Path, how: Callable[[Path], bytes]) -> bytes:
    try:
        return await asyncio.to_thread(how, path)
    except FileNotFoundError as exc:
        raise FaxNotThere("The file has disappeared from the disk.") from exc
