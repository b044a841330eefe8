"""How queues went lately, for estimates of the wait. Can be lost: the node draws it anew."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table

from callcenter.platform.db import Moment, metadata

queue_paces = Table(
    "queue_paces",
    metadata,
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("drawn_at", Moment, nullable=False),
    Column("talks", Integer, nullable=False),
    Column("handling_ms", BigInteger, nullable=False),
    Column("answering_ms", BigInteger, nullable=False),
    Column("patience_ms", BigInteger),
    # The error of estimates: of all answered calls, and of those told to wait for a while.
    Column("calls", Integer, nullable=False),
    Column("median_ms", BigInteger),
    Column("p90_ms", BigInteger),
    Column("long_calls", Integer, nullable=False),
    Column("long_median_ms", BigInteger),
    Column("long_p90_ms", BigInteger),
)
