"""A broken upload leaves nothing behind: no file, no row, no fault in the log."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from callcenter.testing.eventually import eventually

pytestmark = pytest.mark.integration

TABLES: Final = (
    *("prompts", "prompt_audio", "prompt_jobs", "fax_documents", "faxes"),
    *("ivr_flows", "ivr_references", "procrastinate_jobs"),
)
#: Method, path, announced type and the first bytes of a body that is 200,000 bytes long.
UPLOADS: Final = [
    ("PUT", "/prompts/fuzzed/audio/zh", "audio/wav", b"RIFF\xff\xff\x0f\x00WAVEfmt "),
    (
        "PUT",
        "/prompts/fuzzed/audio/zh",
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF',
    ),
    ("PUT", "/fax-documents/form/zh/pdf?title=x", "application/pdf", b"%PDF-1.7\n"),
    ("PUT", "/ivr/flows/main/draft", "application/json", b'{"entry": "a", "nodes": {'),
    ("PUT", "/ivr/flows/main/draft/yaml", "application/yaml", b"entry: a\n"),
]
LENGTH: Final = 200_000


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary files go, whoever makes them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


async def _rows(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        return {
            table: await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")
            for table in TABLES
        }
    finally:
        await connection.close()


def left(served: Any, temporary: Path) -> tuple[set[str], dict[str, Any]]:
    """Every file of the instance and every row an upload could leave."""
    files = {
        str(path)
        for folder in (served.home, temporary)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return files, asyncio.run(_rows(served.url))


def make_prompt(served: Any) -> None:
    """The prompt whose audio is uploaded."""
    with served.client() as client:
        made = client.post("/prompts", json={"name": "fuzzed", "title": "Fuzzed"})
        assert made.status_code in (201, 409), made.text


async def _break_off(served: Any, upload: tuple[str, str, str, bytes]) -> None:
    """Half of a body; once it is being read, the connection is reset."""
    method, path, kind, begin = upload
    head = (
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
        f"If-Match: *\r\nContent-Type: {kind}\r\nContent-Length: {LENGTH}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head.encode() + begin + os.urandom(LENGTH // 2))
        await eventually(lambda: served.busy, "the upload is read")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await eventually(lambda: not served.busy, "the request ended")


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: f"{upload[1]} {upload[2][:10]}")
async def test_a_client_that_goes_away_in_mid_upload_leaves_nothing_behind(
    served: Any, temporary: Path, upload: tuple[str, str, str, bytes]
) -> None:
    await asyncio.to_thread(make_prompt, served)
    before = await asyncio.to_thread(left, served, temporary)
    for _ in range(3):
        await _break_off(served, upload)
    assert await asyncio.to_thread(left, served, temporary) == before
    assert served.faults == []


def test_what_an_upload_cannot_be_is_refused_and_leaves_nothing_behind(
    served: Any, temporary: Path
) -> None:
    make_prompt(served)
    before = left(served, temporary)
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00"
    bodies = [b"", b"\x00", wav, wav + bytes(50_000), b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(9_999)]
    bodies += [b"ID3\x04" + bytes(5_000), b"OggS" + bytes(5_000), b"\xff" * 30_000]
    bodies += [bytes(23 * 1024 * 1024)]
    with served.client() as client:
        for path in ("/prompts/fuzzed/audio/zh", "/fax-documents/form/zh/pdf?title=x"):
            kind = "application/pdf" if "fax" in path else "audio/wav"
            for body in bodies:
                refused = client.put(
                    path, content=body, headers={"Content-Type": kind, "If-Match": "*"}
                )
                assert refused.status_code in (413, 422), (path, body[:20], refused.text)
                assert refused.headers["content-type"] == "application/problem+json"
                assert left(served, temporary) == before
    assert served.faults == []
