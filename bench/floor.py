"""A queue with agents at SIPp's phones: the floor of `bench.day` and `bench.storm`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import SippParty

SIPP = Path(__file__).parent / "sipp"
LINE, QUEUE = "12399", "legal"
CITIZENS, PHONES = "127.0.0.2", "127.0.0.3"


async def agents(hotline: Instance, count: int) -> dict[str, str]:
    """So many of the queue, on a line that leads there at once; each one's secret."""
    secrets = {}
    for number in range(2001, 2001 + count):
        body = {"id": str(number), "name": f"agent {number}", "queues": [QUEUE]}
        reply = await hotline.client.post("/api/v1/agents", json=body)
        assert reply.status_code in (201, 202), reply.text
        secrets[str(number)] = reply.json()["secret"]
    line = {
        "number": LINE,
        "title": "day",
        "flow": "main",
        "queue": QUEUE,
        "language": "zh",
        "mode": "direct",
    }
    reply = await hotline.client.post("/api/v1/lines", json=line)
    assert reply.status_code == 201, reply.text
    return secrets


async def register(hotline: Instance, home: Path, secrets: dict[str, str], port: int) -> None:
    table = home / "phones.csv"
    table_of(
        table,
        (
            [agent, f"[authentication username={agent} password={secret}]"]
            for agent, secret in secrets.items()
        ),
    )
    phones = party(hotline, "day_register.xml", PHONES, table, len(secrets), 30, port=port, rate=20)
    async with phones:
        result = await phones.result()
    assert result.ok, str(result)

    async def all_there() -> bool:
        shown = await hotline.console("pjsip show contacts")
        return sum(agent in shown for agent in secrets) == len(secrets)

    await eventually(all_there, "every phone is registered", within=timedelta(seconds=20))


def table_of(path: Path, rows: Iterable[Sequence[str]]) -> None:
    lines = "\n".join(";".join(row) for row in rows)
    path.write_text(f"SEQUENTIAL\n{lines}\n")


def party(
    hotline: Instance,
    scenario: str,
    address: str,
    table: Path,
    calls: int | None,
    limit: float,
    *,
    port: int = 0,
    rate: float = 1000,
) -> SippParty:
    return hotline.party(
        SIPP / scenario,
        address,
        service=LINE,
        calls=calls,
        rate=rate,
        limit=timedelta(seconds=limit),
        port=port,
        keys={"caller_number": "13800138000"},
        flags=("-inf", str(table), "-l", "100000", "-nd"),
    )
