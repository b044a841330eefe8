"""The OpenAPI document, as clients are generated from it."""

from __future__ import annotations

import pytest

from callcenter.bootstrap.api import build_app
from callcenter.platform.db import Database
from callcenter.platform.settings import Settings

pytestmark = pytest.mark.contract


async def test_no_schema_is_named_after_the_module_it_stands_in() -> None:
    """FastAPI does so where two rooms have a class of one name: it moves with the code then."""
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", name="contract")
    try:
        document = build_app(Settings(), database, None).openapi()
    finally:
        await database.close()
    names = list(document["components"]["schemas"])
    assert len(names) > 200
    assert [name for name in names if "__" in name] == []
