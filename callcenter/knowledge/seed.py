"""Sample articles, one of each kind, published so that the shipped flow has something to play.

They are samples: each says so where it is read, its department is marked, and its review is due at
once, so that the city finds them on its list. Their audio is made with that of the flow, at start
(`FlowService.render_active`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.knowledge import store
from callcenter.knowledge.edition import CITY_ZONE, Edition, city_day, parse_edition
from callcenter.knowledge.model import Article
from callcenter.platform.clock import Clock
from callcenter.platform.news import announce

AUTHOR: Final = "system:samples"
APPROVER: Final = "system:shipped"
REASON: Final = "示例，待市里核对 Sample shipped with callcenter, to be checked by the city"


def samples() -> Mapping[str, Edition]:
    """The shipped samples by name."""
    file = Path(__file__).with_name("samples.json")
    return {
        name: parse_edition(document)
        for name, document in json.loads(file.read_text("utf-8")).items()
    }


async def seed_articles(
    connection: AsyncConnection, clock: Clock, zone: ZoneInfo = CITY_ZONE
) -> None:
    """Publish the samples where there is no article at all; never touches what is there."""
    if not await store.is_empty(connection):
        return
    now = clock()
    today = city_day(now, zone)
    for name, edition in samples().items():
        article, created = Article.create(name, edition, review_due_on=today, by=AUTHOR, at=now)
        await store.add_article(connection, article, created)
        approved = article.approve(REASON, by=APPROVER, at=now)
        await store.save_article(connection, article, approved)
        version, published = article.publish(REASON, by=APPROVER, at=now, today=today)
        await store.save_article(connection, article, published, published=version)
        await announce(connection, "article", name)
