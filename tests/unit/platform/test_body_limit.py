"""A request body over the limit is refused before it is held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient

from callcenter.platform.body_limit import BodyLimit, RouteLimit

pytestmark = pytest.mark.unit


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    app = FastAPI()

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    app.put("/api/upload/{name}")(size)
    larger = RouteLimit("PUT", "/upload/[^/]+", most_bytes=200)
    app.add_middleware(BodyLimit, most_bytes=100, routes=[larger], prefix="/api")
    async with AsyncClient(transport=ASGITransport(app), base_url="http://desk") as client:
        yield client


async def test_a_body_at_the_limit_is_taken(client: AsyncClient) -> None:
    assert (await client.post("/size", content=b"x" * 100)).json() == 100


async def test_a_body_that_announces_more_is_refused(client: AsyncClient) -> None:
    reply = await client.post("/size", content=b"x" * 101)
    assert reply.status_code == 413
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"] == "A request has at most 100 bytes."


async def test_a_body_that_never_says_how_long_it_is_is_refused(client: AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50

    assert (await client.post("/size", content=endless())).status_code == 413


async def test_an_upload_has_a_limit_of_its_own_and_the_others_keep_theirs(
    client: AsyncClient,
) -> None:
    assert (await client.put("/api/upload/a", content=b"x" * 200)).json() == 200
    over = await client.put("/api/upload/a", content=b"x" * 201)
    assert over.json()["detail"] == "A request has at most 200 bytes."
    for method, path in (("POST", "/api/upload/a"), ("PUT", "/api/upload/a/b"), ("PUT", "/size")):
        assert (await client.request(method, path, content=b"x" * 150)).status_code == 413
