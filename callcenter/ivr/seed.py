"""The flow an instance begins with: `main`, version 1.

Its texts are spoken by `FlowService.render_active()`, before the first call.
"""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr import store
from callcenter.ivr.model import Flow, names_outside, parse_flow
from callcenter.platform.clock import Clock
from callcenter.platform.news import announce

NAME = "main"
SEEDED_BY = "system"


def default_flow() -> Flow:
    """The shipped flow: notice of recording, answers by key, a person by `0` or by waiting."""
    file = Path(__file__).with_name("default_flow.json")
    return parse_flow(json.loads(file.read_text("utf-8")))


async def seed_defaults(connection: AsyncConnection, clock: Clock) -> None:
    """Make and publish `main` where there is none; never touches what is there.

    Needs the default queues: seed them first.
    """
    if await store.flow_named(connection, NAME) is not None:
        return
    flow, now = default_flow(), clock()
    definition = flow.as_json()
    await store.add_flow(connection, NAME, "12345 主流程 Main menu", now)
    await store.set_draft(connection, NAME, definition, SEEDED_BY, now)
    version = await store.add_version(
        connection, NAME, definition, comment="Shipped with callcenter", by=SEEDED_BY, at=now
    )
    for number in (0, version):
        await store.remember_references(connection, NAME, number, names_outside(flow))
    await store.activate(
        connection, NAME, version, by=SEEDED_BY, why="Shipped with callcenter", at=now
    )
    await announce(connection, "flow", NAME)
