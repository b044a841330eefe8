"""What flows use beside their own nodes, read from the rooms it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr import store
from callcenter.ivr.library import Library
from callcenter.ivr.model import Flow, parse_flow


async def read_library(
    connection: AsyncConnection,
    flows: Mapping[str, tuple[int, Flow]],
    *others: Flow,
) -> Library:
    """What `flows` (the active ones, by name) and `others` use."""
    return Library(flows=flows)


async def active_flows(connection: AsyncConnection) -> Mapping[str, tuple[int, Flow]]:
    """Every published flow in the version callers hear."""
    active = await store.active_versions(connection)
    found = await store.definitions_of(connection, sorted(active.items()))
    return {flow: (version, parse_flow(found[flow, version])) for flow, version in active.items()}
