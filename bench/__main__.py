"""`make bench`: each line is one of ours beside what it is compared with, alternating, medians.

Benches that take minutes are named at the end with what they take; `python -m bench --long` runs
these too, one after another.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from panoramisk.message import Message

from bench.articles import articles
from bench.live import live
from bench.studio import studio
from callcenter.asterisk.ami.messages import parse
from callcenter.asterisk.ami.protocol import AmiFramer
from callcenter.calls.book import CallBook
from callcenter.calls.journal import Ignored, Reject, parse_line
from callcenter.calls.tail import Position
from callcenter.ivr.check import check
from callcenter.ivr.model import parse_flow
from callcenter.testing.sample_flow import AROUND, words

ROUNDS = 7
#: Fewer than the 100,000 of `python -m bench.articles`, which takes minutes to fill.
ARTICLES = 20_000
CAPTURE = Path(__file__).parents[1] / "tests/recordings/journal/answered_call.csv"

#: Benches that take minutes, or a whole instance: what they measure, how long they take.
LONG = {
    "estimate": ("our wait estimate beside app_queue's, on simulated days", "1 min"),
    "in_force": ("how soon a change is in force with 500 agents; a whole instance", "1 min"),
    "storm": ("acts and deaths at random under 300 calls, then the books", "3 min"),
    "day": ("2,000 Poisson arrivals through Asterisk beside Erlang A", "15 min"),
    "figures": ("reports over a year of 1,000,000 waits, rows alone beside roll-ups", "15 min"),
    "articles": ("search over 100,000 articles", "5 min"),
}

_EVENT = (
    b"Event: Newchannel\r\nPrivilege: call,all\r\nSequenceNumber: %d\r\n"
    b"Timestamp: 1795464690.454763\r\nChannel: PJSIP/trunk-%08x\r\n"
    b"ChannelState: 4\r\nChannelStateDesc: Ring\r\n"
    b"CallerIDNum: 13800138000\r\nCallerIDName: caller\r\n"
    b"ConnectedLineNum: <unknown>\r\n"
    b"ConnectedLineName: <unknown>\r\nLanguage: zh\r\nAccountCode: \r\n"
    b"Context: from-trunk\r\n"
    b"Exten: 12345\r\nPriority: 1\r\nUniqueid: node1-1795464690.%d\r\n"
    b"Linkedid: node1-1795464690.%d\r\n\r\n"
)
_GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def median_seconds(*works: Callable[[], object]) -> list[float]:
    """CPU seconds of each, run in turns so that noise falls on all alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for kept, work in zip(times, works, strict=True):
            began = time.process_time()
            work()
            kept.append(time.process_time() - began)
    return [statistics.median(kept) for kept in times]


def ami_ingest() -> None:
    """Events parsed per CPU second: our framer and parser beside panoramisk's."""
    count = 4000
    stream = b"".join(_EVENT % (i, i, i, i) for i in range(count))
    chunks = [stream[i : i + 4096] for i in range(0, len(stream), 4096)]

    def ours() -> None:
        framer = AmiFramer()
        framer.feed(_GREETING)
        found = sum(parse(raw) is not None for chunk in chunks for raw in framer.feed(chunk))
        assert found == count

    def theirs() -> None:
        # What panoramisk does for each chunk (ami_protocol.data_received), without its callbacks.
        rest = ""
        found = 0
        for chunk in chunks:
            rest += chunk.decode("utf8", "ignore")
            *whole, rest = rest.split("\r\n\r\n")
            found += sum(Message.from_line(line) is not None for line in whole)
        assert found == count

    a, b = median_seconds(ours, theirs)
    report("AMI events parsed", count / a, count / b, "panoramisk's own parser")


def journal() -> None:
    """Journal lines parsed and folded per CPU second, beside parsing alone."""
    lines = CAPTURE.read_bytes().splitlines() * 40

    def parsed() -> None:
        for line in lines:
            parse_line(line, "CN")

    def folded() -> None:
        for start in range(0, len(lines), len(lines) // 40):
            book = CallBook("node1")
            for line in lines[start : start + len(lines) // 40]:
                event = parse_line(line, "CN")
                if not isinstance(event, Ignored | Reject):
                    book.take(event, Position(1, 0))

    a, b = median_seconds(folded, parsed)
    report("journal lines folded", len(lines) / a, len(lines) / b, "parsing alone")


def flow_check() -> None:
    """The whole-graph check of a flow of 200 nodes."""
    nodes: dict[str, object] = {
        f"m{i}": {
            "type": "menu",
            "say": words(f"menu {i}"),
            "options": {"1": f"m{(i + 1) % 199}", "2": "bye"},
        }
        for i in range(199)
    }
    nodes["bye"] = {"type": "hangup", "say": words("bye")}
    flow = parse_flow({"entry": "m0", "nodes": nodes})
    (a,) = median_seconds(lambda: check(flow, AROUND))
    print(f"check of a 200-node flow          {a * 1000:8.1f} ms   (wanted: at most 50 ms)")


def report(what: str, ours: float, other: float, beside: str) -> None:
    print(f"{what:<32}{ours:>10,.0f} /CPU-s  {ours / other:5.2f} × {beside} ({other:,.0f})")


def run_long() -> int:
    """Each in a process of its own; how many failed."""
    failed = 0
    for name in LONG:
        print(f"\n== bench.{name}", flush=True)
        failed += (
            subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode  # noqa: S603
            != 0
        )
    return failed


if __name__ == "__main__":
    print(f"medians of {ROUNDS} alternating rounds, CPU time")
    ami_ingest()
    journal()
    flow_check()
    studio()
    live()
    articles(ARTICLES)
    print("\nlonger, not run here (python -m bench --long runs them all):")
    for name, (what, takes) in LONG.items():
        print(f"  python -m bench.{name:<10} {takes:>7}  {what}")
    if "--long" in sys.argv[1:]:
        sys.exit(run_long())
