"""A flow as YAML, for people and for version control; and back.

YAML 1.2's core scalars only: `on`, `yes` and `0123` are words here. No anchors, no tags, no key
twice: a few bytes can neither grow into gigabytes nor mean two things.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

from callcenter.ivr.model import Flow, InvalidFlow

#: How deep a flow's document can be: nodes, node, field, list, text.
_DEEPEST: Final = 12


class BadYaml(InvalidFlow):
    """That is not YAML we read."""

    slug = "bad-yaml"


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2 and nothing that refers to something else."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(event.start_mark, "anchors and aliases are not read")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _refused(event.start_mark, "nested too deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused(key_node.start_mark, "a key is one word")
            key = key_node.value
            if key in found:
                raise _refused(key_node.start_mark, f"“{key[:100]}” stands twice")
            found[key] = self.construct_object(value_node, deep=True)
        return found


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,8})$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""]
)


def _construct_map(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def _refused(mark: yaml.Mark | None, rule: str) -> BadYaml:
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "body"
    return BadYaml([(place, rule)])


def to_yaml(flow: Flow) -> str:
    """The flow as it was written."""
    text: str = yaml.safe_dump(flow.as_json(), allow_unicode=True, sort_keys=False, width=100)
    return text


def from_yaml(text: str) -> object:
    """The document in YAML, to be read by `parse_flow`. Raises `BadYaml` with line and column."""
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as exc:
        rule = re.sub(r"\s+", " ", exc.problem or "cannot be read")[:200]
        raise _refused(exc.problem_mark, rule) from exc
    except yaml.YAMLError as exc:  # characters YAML does not know
        raise BadYaml([("body", "holds characters that YAML does not allow")]) from exc
    except (ValueError, RecursionError) as exc:
        raise BadYaml([("body", "cannot be read")]) from exc
    finally:
        if loader is not None:
            loader.dispose()
