"""The studio over REST: simulations, replays, differences, figures, YAML, who activated what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from callcenter.calls.tables import calls
from callcenter.testing.sample_flow import document

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


@pytest.fixture
async def published(admin: Any) -> Any:
    """The sample flow as version 2 of `main`, and its draft."""
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    reply = await admin("POST", "/main/versions", json={"comment": "sample"})
    assert reply.status_code == 201, reply.text
    return admin


async def test_a_simulation_tells_what_is_heard_and_where_it_ends(published: Any) -> None:
    wish = {"version": 2, "keys": ["1", None, "9"], "language": "en", "caller_number": "138001"}
    done = await published("POST", "/main/simulations", json=wish)
    assert done.status_code == 200, done.text
    told = done.json()
    assert [(s["node"], s["key"], s["led_by"]) for s in told["path"]] == [
        ("welcome", None, "flow"),
        ("menu", None, "flow"),
        ("answer", "1", "key"),
        ("menu", None, "flow"),
        ("menu", None, "silence"),
        ("bye", "9", "key"),
    ]
    assert told["path"][0]["heard"] == "welcome"
    # Its audio was made at publishing: a tone of 0.3 s and more.
    assert 0.3 < told["path"][0]["seconds"] < 5
    assert told["path"][3]["seconds"] > 4
    assert (told["exit"], told["keys_left"], told["fault"]) == ({"type": "hangup"}, 0, False)


@pytest.mark.parametrize(
    "wish",
    [
        {"version": 0},
        {"version": "newest"},
        {"keys": ["A"]},
        {"keys": ["1" * 21]},
        {"keys": [None] * 201},
        {"language": "english"},
        {"at": "2026-11-24T10:00:00"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"caller_number": "x"},
        {"colour": 1},
    ],
)
async def test_a_wish_that_breaks_a_rule_is_refused(published: Any, wish: dict[str, Any]) -> None:
    assert (await published("POST", "/main/simulations", json=wish)).status_code == 422


async def test_what_is_not_there_cannot_be_simulated(admin: Any) -> None:
    for path, wish in (("/gone", {}), ("/main", {"version": 99})):
        reply = await admin("POST", f"{path}/simulations", json=wish)
        assert reply.status_code == 404


async def test_a_flow_leaves_and_comes_back_as_yaml(published: Any) -> None:
    written = await published("GET", "/main/draft/yaml")
    assert written.headers["content-type"].startswith("application/yaml")
    text = written.text.replace("timeout_seconds: 4", "timeout_seconds: 6")
    read = await published(
        "PUT", "/main/draft/yaml", content=text, headers={"If-Match": written.headers["etag"]}
    )
    assert read.status_code == 200, read.text
    assert read.json()["nodes"]["menu"]["timeout_seconds"] == 6
    stale = await published(
        "PUT", "/main/draft/yaml", content=text, headers={"If-Match": written.headers["etag"]}
    )
    assert stale.status_code == 412
    differs = (await published("GET", "/main/diff", params={"from": "2"})).json()
    assert differs["changed"] == [
        {"node": "menu", "fields": {"timeout_seconds": {"before": 4, "after": 6}}}
    ]
    assert (differs["entry"], differs["added"], differs["removed"]) == (None, [], [])
    old = (await published("GET", "/main/versions/2/yaml")).text
    assert "timeout_seconds: 4" in old


@pytest.mark.parametrize("body", [b"a: &x 1\nb: *x", b"\xff", b"a: [", b"[" * 9999, b"a: \x00"])
async def test_yaml_that_is_none_is_refused(admin: Any, body: bytes) -> None:
    reply = await admin("PUT", "/main/draft/yaml", content=body, headers=ANY)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


async def test_who_activated_what_and_why_is_kept(published: Any) -> None:
    await published("PUT", "/main/active", json={"version": 1, "comment": "too many abandoned"})
    listed = (await published("GET", "/main/activations")).json()["items"]
    assert [(one["version"], one["replaced"], one["by"], one["why"]) for one in listed] == [
        (1, 2, "admin-ling", "too many abandoned"),
        (2, 1, "admin-ling", "sample"),
        (1, None, "system", "Shipped with callcenter"),
    ]
    page = (await published("GET", "/main/activations", params={"limit": 2})).json()
    rest = await published("GET", "/main/activations", params={"cursor": page["next_cursor"]})
    assert [one["version"] for one in rest.json()["items"]] == [1]


async def add_call(
    studio: Any, number: int, path: list[tuple[str, str | None, str, float]]
) -> UUID:
    """An ended call of version 2; `path` holds node, key, what led there, and seconds since."""
    call_id, began = UUID(int=number), studio.clock() - timedelta(hours=1)
    queued = path[-1][0] in ("legal", ".person")
    async with studio.database.transaction() as connection:
        await connection.execute(
            insert(calls).values(
                call_id=call_id,
                node="n",
                linkedid=str(number),
                uniqueid=str(number),
                direction="inbound",
                line="12345",
                language="zh",
                state="ended",
                disposition="abandoned" if path[-1][0] != "bye" else "self_served",
                started_at=began,
                queued_at=began + timedelta(seconds=30) if queued else None,
                ended_at=began + timedelta(seconds=40),
                hangup_by="system" if path[-1][0] == "bye" else "caller",
                ivr_flow="main",
                ivr_version=2,
                ivr_path=[
                    {
                        "node": node,
                        "key": key,
                        "led_by": led_by,
                        "at": (began + timedelta(seconds=at)).isoformat(),
                    }
                    for node, key, led_by, at in path
                ],
            )
        )
    return call_id


LEGAL = [("welcome", None, "flow", 0), ("menu", None, "flow", 2), ("legal", "3", "key", 5)]
BYE = [
    ("welcome", None, "flow", 0),
    ("menu", None, "flow", 2),
    ("menu", "7", "wrong_key", 6),
    ("bye", "9", "key", 8),
]
GONE = [("welcome", None, "flow", 0), ("menu", None, "flow", 2)]


async def test_figures_say_what_happened_at_each_node(published: Any, studio: Any) -> None:
    for number, path in enumerate([LEGAL, LEGAL, BYE, GONE]):
        await add_call(studio, number, path)  # type: ignore[arg-type]
    figures = (await published("GET", "/main/versions/2/figures")).json()
    nodes = {one["node"]: one for one in figures["nodes"]}
    assert list(nodes) == list(document()["nodes"])
    menu = nodes["menu"]
    assert (menu["entered"], menu["left_by"], menu["wrong_keys"]) == (4, {"3": 2, "9": 1}, 1)
    assert (menu["hung_up"], menu["timed_out"], menu["reached_a_person"]) == (1, 0, 0)
    assert (menu["went_to_a_person"], menu["seconds"]) == (2, 3 + 3 + 6 + 38)
    assert (nodes["legal"]["ended_here"], nodes["bye"]["entered"]) == (2, 1)
    assert nodes["english"]["entered"] == 0


async def test_a_replay_names_who_would_have_ended_elsewhere(published: Any, studio: Any) -> None:
    moved = [await add_call(studio, number, LEGAL) for number in (1, 2)]  # type: ignore[arg-type]
    await add_call(studio, 3, BYE)  # type: ignore[arg-type]
    await add_call(studio, 4, GONE)  # type: ignore[arg-type]
    changed = document()
    changed["nodes"]["menu"]["options"]["3"] = "bye"
    await published("PUT", "/main/draft", json=changed, headers=ANY)
    done = (await published("POST", "/main/replays", json={"version": "draft"})).json()
    assert (done["calls"], done["same"], done["moved"], done["unlike"]) == (4, 2, 2, 0)
    (move,) = done["moves"]
    assert move["before"] == {"type": "queue", "queue": "legal"}
    assert move["after"] == {"type": "hangup"}
    assert sorted(move["calls"]) == [str(call_id) for call_id in moved]
    assert json.dumps(done).count("hung_up") == 2


@pytest.mark.parametrize(
    "stretch",
    [
        {"from": "2026-03-02T09:00:00Z", "to": "2026-03-01T09:00:00Z"},
        {"from": "2001-03-02T09:00:00Z"},
        {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"},
        {"limit": 0},
    ],
)
async def test_a_stretch_of_time_has_bounds(published: Any, stretch: dict[str, Any]) -> None:
    assert (await published("POST", "/main/replays", json=stretch)).status_code == 422
