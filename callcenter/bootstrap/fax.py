"""The fax room of this instance, from its settings."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from callcenter.asterisk.install import Installation, MissingFont
from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.cases.service import CaseService
from callcenter.channels.fax.document import NoFont, Printable
from callcenter.channels.fax.documents import Articles, DocumentService
from callcenter.channels.fax.files import FaxFiles
from callcenter.channels.fax.model import Policy
from callcenter.channels.fax.service import FaxService
from callcenter.knowledge.document import as_document
from callcenter.knowledge.service import ArticleService
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import NotFound
from callcenter.platform.settings import Settings, parse_hours


class PublishedArticles:
    """`knowledge` as the fax room needs it: an article's version as a document."""

    def __init__(self, articles: ArticleService) -> None:
        self._articles = articles

    async def printable(self, article: str, language: str) -> tuple[Printable, int] | None:
        """What is in force today; None where that is nothing, or not in this language."""
        try:
            version = await self._articles.in_force(article)
            return as_document(version, language), version.number
        except NotFound:
            return None

    async def heard(self, article: str, number: int | None, language: str) -> Printable:
        """The version a caller heard a moment ago. Raises `NotFound`."""
        if number is None:
            version = await self._articles.in_force(article)
        else:
            version = await self._articles.version(article, number)
        return as_document(version, language)


def fax_files(settings: Settings) -> FaxFiles:
    return FaxFiles(settings.faxes_directory)


def fax_policy(settings: Settings) -> Policy:
    begin, until = parse_hours(settings.fax_hours)
    return Policy(
        tries=len(settings.fax_pauses) + 1,
        pauses=settings.fax_pauses,
        hours=Hours(begin, until, ZoneInfo(settings.time_zone)),
    )


def fax_rule(settings: Settings) -> NumberRule:
    return NumberRule(
        settings.phone_region,
        settings.fax_prefixes,
        settings.fax_dial,
        dials=settings.trunk_host is not None,
    )


def fax_documents(
    settings: Settings,
    database: Database,
    installation: Installation | None,
    clock: Clock,
    articles: Articles | None = None,
) -> DocumentService:
    """Without an installation or a setting there is no font: said when something is drawn."""

    def font() -> Path:
        if settings.fax_font is not None:
            return settings.fax_font
        try:
            if installation is not None:
                return installation.fax_font()
        except MissingFont:
            pass
        raise NoFont

    return DocumentService(database, fax_files(settings), font=font, clock=clock, articles=articles)


def fax_service(
    settings: Settings, database: Database, documents: DocumentService, clock: Clock
) -> FaxService:
    return FaxService(
        database,
        CaseService(database, clock),
        fax_files(settings),
        documents,
        rule=fax_rule(settings),
        policy=fax_policy(settings),
        per_day=settings.fax_per_day,
        clock=clock,
    )
