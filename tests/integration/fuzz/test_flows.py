"""Flows near validity and far from it, as JSON and as YAML: taken or refused by rule."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.ivr.model import MAX_NODES
from callcenter.testing.whole_flow import whole_document

pytestmark = pytest.mark.integration

EXAMPLES: Final = 12 * int(os.environ.get("FUZZ_EXAMPLES", "8"))
ANY: Final = {"If-Match": "*"}
AS_YAML: Final = ANY | {"Content-Type": "application/yaml"}

#: What a field is made to hold.
HOSTILE: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1, 3, 31, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, 1e308),
    *(float("inf"), float("nan"), "", " ", "\x00", "a\x00b", "\ud800", "\udfff", "\x85", "\u202e"),
    *("a" * 2001, "九" * 3000, ".person", ".return", ".nowhere", "menu", "12345", "../../etc"),
    *("${EXTEN}", "$[1+1]", "'; DROP TABLE calls; --", "0" * 64, [], [[]], {}, {"": ""}),
    *({"zh": ""}, {"zh": "\x00"}, {"prompt": "welcome"}, {"value": "phone", "as": "digits"}),
    *([{"zh": "好"}] * 21, [[{"zh": "好"}]], {"type": "menu"}, {"type": "no_such_type"}),
]
Path = tuple[Any, ...]


def places(value: Any, here: Path = ()) -> Iterator[Path]:
    """Every place of a document, the whole of it first."""
    yield here
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*here, key))


def at(value: Any, place: Path) -> Any:
    for key in place:
        value = value[key]
    return value


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A sound flow of every node type after one to four changes."""
    document: Any = whole_document()
    for _ in range(draw(st.integers(1, 4))):
        there = list(places(document))
        if len(there) < 2:
            break
        *above, key = draw(st.sampled_from(there[1:]))
        parent = at(document, tuple(above))
        other = st.sampled_from(there).map(lambda place: copy.deepcopy(at(document, place)))
        change = draw(st.sampled_from(["replace", "move", "remove", "add", "rename"]))
        if change == "replace":
            parent[key] = draw(st.sampled_from(HOSTILE) | st.text(max_size=40) | st.integers())
        elif change == "move":
            parent[key] = draw(other)
        elif change == "remove":
            del parent[key]
        elif isinstance(parent, list):
            parent.append(draw(other))
        elif change == "add":
            parent[draw(st.text(max_size=10))] = draw(st.sampled_from(HOSTILE))
        else:
            parent[draw(st.sampled_from(["menu", "a.b", "\x00", "type", "x" * 100]))] = parent.pop(
                key
            )
    return document


#: Not of a flow's shape at all.
anything = st.recursive(
    st.sampled_from(HOSTILE) | st.text(max_size=20) | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["entry", "nodes", "a", "type", "say", "next"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
bodies = st.one_of(documents(), anything).map(lambda value: json.dumps(value).encode()) | st.binary(
    max_size=200
)


def as_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode(
        "utf-8", "surrogatepass"
    )


texts = st.one_of(documents(), anything).map(as_yaml) | st.binary(max_size=200)


@pytest.fixture(scope="module")
def api(served: Any) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def must_stand(api: httpx.Client, served: Any, put: Callable[[], httpx.Response]) -> None:
    """Refused by a rule that is named, or taken, read back and fit for all a draft is for."""
    reply = put()
    assert reply.status_code in (200, 422), reply.text
    if reply.status_code == 422:
        assert reply.json()["errors"], reply.text
    else:
        draft = api.get("/ivr/flows/main/draft")
        assert draft.json() == reply.json()
        written = api.get("/ivr/flows/main/draft/yaml")
        again = api.put("/ivr/flows/main/draft/yaml", content=written.content, headers=AS_YAML)
        assert again.status_code == 200, again.text
        assert again.json() == draft.json()
        found = api.post("/ivr/flows/main/draft/check")
        assert found.status_code == 200, found.text
        heard = api.post(
            "/ivr/flows/main/simulations", json={"version": "draft", "keys": ["1", "2", "0"]}
        )
        assert heard.status_code in (200, 409, 422), heard.text
        compared = api.get("/ivr/flows/main/diff", params={"from": "1", "to": "draft"})
        assert compared.status_code == 200, compared.text
    assert served.faults == []


_FUZZ: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@_FUZZ
@given(body=bodies)
def test_a_draft_of_any_shape_is_taken_or_refused_by_rule(
    api: httpx.Client, served: Any, body: bytes
) -> None:
    must_stand(api, served, lambda: api.put("/ivr/flows/main/draft", content=body, headers=ANY))


@_FUZZ
@given(text=texts)
def test_yaml_of_any_shape_is_taken_or_refused_by_rule(
    api: httpx.Client, served: Any, text: bytes
) -> None:
    must_stand(
        api, served, lambda: api.put("/ivr/flows/main/draft/yaml", content=text, headers=AS_YAML)
    )


def test_the_flow_the_fuzzer_begins_with_is_taken(api: httpx.Client, served: Any) -> None:
    taken = api.put("/ivr/flows/main/draft", json=whole_document(), headers=ANY)
    assert taken.status_code == 200, taken.text
    assert {n["type"] for n in taken.json()["nodes"].values()} == {
        *("menu", "say", "collect", "branch", "schedule", "language", "article", "article_menu"),
        *("case_status", "queue", "callback", "voicemail", "fax", "transfer", "survey", "set"),
        *("flow", "hangup"),
    }


def test_ten_thousand_nodes_are_refused_by_the_limit_in_either_form(api: httpx.Client) -> None:
    nodes = {f"n{i}": {"type": "hangup"} for i in range(10_000)}
    document = {"entry": "n0", "nodes": nodes}
    rule = {"field": "nodes", "rule": f"a flow has at most {MAX_NODES} nodes"}
    as_text = "entry: n0\nnodes:\n" + "".join(f"  n{i}: {{type: hangup}}\n" for i in range(10_000))
    for path, body in (("draft", json.dumps(document)), ("draft/yaml", as_text)):
        refused = api.put(f"/ivr/flows/main/{path}", content=body, headers=AS_YAML)
        assert (refused.status_code, refused.json()["errors"]) == (422, [rule])


HUGE: Final = "9" * 100_000
ODD_JSON: Final = [
    ('{"entry": "a", "nodes": ' + "[" * 100_000, "body"),
    ("[" * 50_000 + "]" * 50_000, "body"),
    ('{"a":' * 20_000 + "1" + "}" * 20_000, "body"),
    ('{"entry": "a", "entry": "b", "nodes": {"a": {"type": "hangup"}}}', "entry"),
    (
        '{"entry": "a", "nodes": {"a": {"type": "hangup"}, "a": {"type": "hangup"}}}',
        "a",
    ),
    (f'{{"entry": "a", "nodes": {{"a": {{"type": "hangup", "say": {HUGE}}}}}}}', "body"),
    ('{"entry": "a\\u0000", "nodes": {"a\\u0000": {"type": "hangup"}}}', None),
    ('{"entry": "a", "nodes": {"a": {"type": "hangup", "say": {"zh": "\\ud800"}}}}', None),
    ('{"entry": "a", "nodes": {"a": {"type": "hangup", "say": {"zh": "\\u0000"}}}}', None),
    ('{"entry": "a", "nodes": {"\\udfff": {"type": "hangup"}}}', None),
    ('{"entry": "a", "nodes": {"a": {"type": "hangup", "say": NaN}}}', None),
]


@pytest.mark.parametrize(("body", "field"), ODD_JSON)
def test_json_that_others_choke_on_is_refused_by_name(
    api: httpx.Client, served: Any, body: str, field: str | None
) -> None:
    before = api.get("/ivr/flows/main/draft").json()
    refused = api.put("/ivr/flows/main/draft", content=body, headers=ANY)
    assert refused.status_code == 422
    assert field in (None, refused.json()["errors"][0]["field"])
    assert api.get("/ivr/flows/main/draft").json() == before
    assert served.faults == []


ODD_YAML: Final = [
    "[" * 50_000,
    "{a: " * 20_000,
    "- " * 20_000,
    "entry: a\nentry: b\nnodes: {a: {type: hangup}}\n",
    "entry: a\nnodes: {a: {type: hangup}, a: {type: hangup}}\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "!!python/object/apply:os.system ['true']\n",
    'entry: "a\\0"\nnodes: {"a\\0": {type: hangup}}\n',
    'entry: a\nnodes: {a: {type: hangup, say: {zh: "\\uD800"}}}\n',
    f"entry: a\nnodes: {{a: {{type: hangup, say: {HUGE}}}}}\n",
    "\x00",
    "? [a]\n: b\n",
    "--- a\n--- b\n",
]


@pytest.mark.parametrize("text", ODD_YAML)
def test_yaml_that_others_choke_on_is_refused(api: httpx.Client, served: Any, text: str) -> None:
    before = api.get("/ivr/flows/main/draft").json()
    refused = api.put("/ivr/flows/main/draft/yaml", content=text, headers=AS_YAML)
    assert refused.status_code == 422, refused.text
    assert api.get("/ivr/flows/main/draft").json() == before
    assert served.faults == []


def runs(name: str) -> dict[str, Any]:
    return {
        "entry": "sub",
        "nodes": {
            "sub": {"type": "flow", "flow": name, "next": "end"},
            "end": {"type": "say", "say": {"zh": "好", "en": "Well."}, "next": ".return"},
        },
    }


def test_a_chain_of_a_hundred_flows_stops_at_the_limit(api: httpx.Client, served: Any) -> None:
    last = {"entry": "end", "nodes": {"end": runs("x")["nodes"]["end"]}}
    published = 0
    for level in range(100):
        name = f"deep{level}"
        assert api.post("/ivr/flows", json={"name": name, "title": name}).status_code == 201
        document = runs(f"deep{level - 1}") if level else last
        drafted = api.put(f"/ivr/flows/{name}/draft", json=document, headers=ANY)
        assert drafted.status_code == 200, drafted.text
        reply = api.post(f"/ivr/flows/{name}/versions", json={})
        found = api.post(f"/ivr/flows/{name}/draft/check").json()["findings"]
        errors = [finding["code"] for finding in found if finding["severity"] == "error"]
        if reply.status_code == 201:
            published += 1
            assert errors == []
        else:
            assert reply.status_code == 422, reply.text
            # The first too deep one is not published: those above it run a flow there is not.
            assert errors == (["subflow_too_deep"] if level == published else ["unknown_flow"])
    assert published == 5
    assert served.faults == []
