"""What differs between two versions of a flow. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callcenter.ivr.model import Flow


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs; None where it is not written on that side."""

    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ChangedNode:
    """A node that is there on both sides, with the fields that differ, in the order they stand."""

    node: str
    fields: Mapping[str, Change]


@dataclass(frozen=True, slots=True)
class Difference:
    """Nodes by id, in the order of the version they stand in."""

    entry: Change | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedNode, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.entry or self.added or self.removed or self.changed)


def difference(before: Flow, after: Flow) -> Difference:
    """From `before` to `after`. A node that was renamed is one removed and one added."""
    old, new = before.as_json(), after.as_json()
    entry = None if before.entry == after.entry else Change(before.entry, after.entry)
    old_nodes, new_nodes = old["nodes"], new["nodes"]
    changed = []
    for node_id, was in old_nodes.items():
        now = new_nodes.get(node_id)
        if now is not None and now != was:
            fields = {
                name: Change(was.get(name), now.get(name))
                for name in dict.fromkeys([*was, *now])
                if was.get(name) != now.get(name)
            }
            # Written out on one side only, with the value it has anyway.
            if fields:
                changed.append(ChangedNode(node_id, fields))
    return Difference(
        entry,
        tuple(node_id for node_id in new_nodes if node_id not in old_nodes),
        tuple(node_id for node_id in old_nodes if node_id not in new_nodes),
        tuple(changed),
    )
