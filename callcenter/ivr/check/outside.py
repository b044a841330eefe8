"""Rules on what a flow names outside itself."""

from __future__ import annotations

from callcenter.ivr.check.findings import Code, Findings, error, warning
from callcenter.ivr.check.graph import Graph
from callcenter.ivr.nodes import (
    Article,
    ArticleMenu,
    Branch,
    ByHours,
    ToCallback,
    ToFax,
    ToNumber,
    ToQueue,
)


def queue(graph: Graph, node_id: str) -> Findings:
    node = graph.flow.nodes[node_id]
    if not isinstance(node, ToQueue | ToCallback | ToNumber) or node.queue is None:
        return
    if node.queue not in graph.around.queues:
        message = f"There is no queue “{node.queue}”."
        yield error(Code.UNKNOWN_QUEUE, node_id, message)


def schedule(graph: Graph, node_id: str) -> Findings:
    node, known = graph.flow.nodes[node_id], graph.around.schedules
    if isinstance(node, ByHours) and known is not None and node.schedule not in known:
        message = f"There is no schedule “{node.schedule}”."
        yield error(Code.UNKNOWN_SCHEDULE, node_id, message)


def article(graph: Graph, node_id: str) -> Findings:
    node, known = graph.flow.nodes[node_id], graph.around.articles
    if not isinstance(node, Article | ToFax) or node.article is None or known is None:
        return
    spoken_in = known.get(node.article)
    if spoken_in is None:
        message = f"There is no published article “{node.article}”."
        yield error(Code.UNKNOWN_ARTICLE, node_id, message)
        return
    for language in graph.family.languages:
        if language not in spoken_in:
            message = f"The article “{node.article}” is missing in “{language}”."
            yield error(Code.LANGUAGE_INCOMPLETE, node_id, message)


def category(graph: Graph, node_id: str) -> Findings:
    node, known = graph.flow.nodes[node_id], graph.around.categories
    if not isinstance(node, ArticleMenu) or known is None:
        return
    count = known.get(node.category)
    if count is None:
        message = f"There is no category “{node.category}”."
        yield error(Code.UNKNOWN_CATEGORY, node_id, message)
    elif count == 0:
        message = f"The category “{node.category}” has no article that can be heard."
        yield warning(Code.CATEGORY_EMPTY, node_id, message)


def document(graph: Graph, node_id: str) -> Findings:
    node, known = graph.flow.nodes[node_id], graph.around.documents
    if not isinstance(node, ToFax) or node.document is None or known is None:
        return
    if node.document not in known:
        message = f"There is no document “{node.document}”."
        yield error(Code.UNKNOWN_DOCUMENT, node_id, message)


def line(graph: Graph, node_id: str) -> Findings:
    node, known = graph.flow.nodes[node_id], graph.around.lines
    if known is None:
        return
    if isinstance(node, Branch) and node.on == "line":
        for number in node.cases:
            if number not in known:
                message = f"cases.{number}: the hotline has no line “{number}”."
                yield warning(Code.UNKNOWN_LINE, node_id, message)
    if isinstance(node, ToNumber) and node.to in known:
        message = f"“{node.to}” is a line of this hotline: the call would come back to it."
        yield error(Code.OWN_NUMBER, node_id, message)
