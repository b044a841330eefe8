"""Rules on what a flow remembers of a caller: asked for with need, and set before it is used."""

from __future__ import annotations

from typing import Final

from callcenter.ivr.check.findings import Code, Findings, error, warning
from callcenter.ivr.check.graph import Graph
from callcenter.ivr.check.values import spoken_values
from callcenter.ivr.nodes import BUILT_IN, PERSONAL_KINDS, RETURN, Branch, Collect

#: So many digits are a telephone number, or an identity card, whatever they are called.
PERSONAL_DIGITS: Final = 11


def personal_data(graph: Graph, node_id: str) -> Findings:
    """Personal data is asked for only with a purpose that is told, and used (PIPL, article 6)."""
    node = graph.flow.nodes[node_id]
    if not isinstance(node, Collect):
        return
    if node.kind in PERSONAL_KINDS:
        what, tell = f"A {node.kind.replace('_', ' ')}", error
    elif node.kind == "digits" and node.max_digits >= PERSONAL_DIGITS:
        what, tell = f"A number of up to {node.max_digits} digits", warning
    else:
        return
    if node.purpose is None:
        message = f"{what} can be personal data: say in `purpose` what it is needed for"
        message += "." if tell is error else ", or ask for fewer digits (max_digits)."
        yield tell(Code.PERSONAL_DATA_WITHOUT_NEED, node_id, message)
    # A flow that goes back to the one that ran it may have asked on its behalf.
    elif (
        node.into not in graph.values.read and RETURN not in graph.ends and not graph.values.is_open
    ):
        message = f"{what} is asked for, but nothing that callers get to uses “{node.into}”."
        yield tell(Code.PERSONAL_DATA_WITHOUT_NEED, node_id, message)


def never_set(graph: Graph, node_id: str) -> Findings:
    """What is spoken was set on every way there; what is branched on, somewhere."""
    if graph.around.above or graph.values.is_open or node_id not in graph.reachable:
        return  # the flow that runs this one may have set it
    node = graph.flow.nodes[node_id]
    for name in spoken_values(node):
        if name not in graph.values.written:
            message = f"Nothing sets “{name}”: callers hear nothing in its place."
            yield warning(Code.VARIABLE_NEVER_SET, node_id, message)
        elif not graph.values.surely_set(node_id, name):
            message = f"There is a way here on which nothing has set “{name}”: it stays unheard."
            yield warning(Code.VARIABLE_NEVER_SET, node_id, message)
    if isinstance(node, Branch) and node.on not in BUILT_IN | graph.values.written:
        message = f"Nothing sets “{node.on}”: callers always go to `otherwise`."
        yield warning(Code.VARIABLE_NEVER_SET, node_id, message)
