"""A fax that comes in: a row, a case, a sealed PDF; what broke off is kept and marked."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from callcenter.calls.facts import FaxFinished, FaxStarted
from callcenter.channels.fax import finisher as finisher_module
from callcenter.channels.fax.documents import FaxNotThere
from callcenter.channels.fax.finisher import FaxFinisher
from callcenter.channels.fax.service import FaxNotOver, FaxNotWaiting
from callcenter.channels.fax.tiff import hash_of, write_tiff
from callcenter.platform.errors import InvalidField
from tests.integration.channels.conftest import blank

if TYPE_CHECKING:
    from tests.integration.channels.conftest import Room

pytestmark = pytest.mark.integration


def finisher(room: Room) -> FaxFinisher:
    return FaxFinisher(room.database, room.cases, room.files, node="node1", clock=room.clock)


async def began(room: Room) -> UUID:
    call_id = await room.call()
    started = FaxStarted(call_id=call_id, at=room.clock(), fax=str(call_id), way="in")
    await room.tell(started, started)
    return call_id


async def over(room: Room, call_id: UUID, *, good: bool = True, pages: int = 1) -> None:
    await room.tell(
        FaxFinished(
            call_id=call_id,
            at=room.clock(),
            fax=str(call_id),
            way="in",
            good=good,
            pages=pages,
            mode="T38",
            error="" if good else "The call dropped prematurely",
            station="+865318888",
        )
    )


async def test_it_is_in_the_list_while_it_comes_in(room: Room) -> None:
    call_id = await began(room)
    reply = (await room("GET", "/faxes?direction=in", "agent")).json()
    assert [(fax["fax_id"], fax["state"]) for fax in reply["items"]] == [
        (str(call_id), "receiving")
    ]
    assert await finisher(room).step() == 0


async def test_a_fax_becomes_a_sealed_pdf_on_the_calls_case(room: Room) -> None:
    call_id = await began(room)
    write_tiff(room.files.incoming(call_id), blank(2))
    await over(room, call_id, pages=2)
    converting = (await room("GET", f"/faxes/{call_id}", "agent")).json()
    assert converting["state"] == "converting"
    assert converting["case_number"], "the case is there before the PDF"
    assert (await room("GET", f"/faxes/{call_id}/pdf", "agent")).status_code == 409
    assert await finisher(room).step() == 1
    fax = (await room("GET", f"/faxes/{call_id}", "agent")).json()
    assert (fax["state"], fax["pages"], fax["mode"], fax["station"]) == (
        "received", 2, "T38", "+865318888",
    )  # fmt: skip
    pdf = await room("GET", f"/faxes/{call_id}/pdf", "agent")
    assert pdf.content.startswith(b"%PDF-")
    assert len(pdf.content) == fax["bytes"]
    assert hash_of(room.files.received(call_id)) == fax["sha256"]
    assert "2 页" in (await room.notes(call_id))[-1]
    # The picture is kept beside it, and nothing is done twice.
    assert room.files.received(call_id).with_suffix(".tif").exists()
    assert not room.files.incoming(call_id).exists()
    assert await finisher(room).step() == 0


async def test_a_fax_that_broke_off_is_kept_and_marked(room: Room) -> None:
    call_id = await began(room)
    write_tiff(room.files.incoming(call_id), blank(1))
    await over(room, call_id, good=False, pages=1)
    await finisher(room).step()
    fax = (await room("GET", f"/faxes/{call_id}", "agent")).json()
    assert (fax["state"], fax["pages"]) == ("partial", 1)
    assert fax["error"] == "The call dropped prematurely"
    assert "dropped" in (await room.notes(call_id))[-1]


async def test_pages_that_nobody_told_of_make_a_case_all_the_same(room: Room) -> None:
    """Asterisk died in the middle: the fold says so, the file lies there."""
    call_id = await began(room)
    write_tiff(room.files.incoming(call_id), blank(1))
    await over(room, call_id, good=False, pages=0)
    assert (await room("GET", f"/faxes/{call_id}", "agent")).json()["case_number"] is None
    await finisher(room).step()
    fax = (await room("GET", f"/faxes/{call_id}", "agent")).json()
    assert (fax["state"], fax["pages"]) == ("partial", 1)
    assert fax["case_number"]


@pytest.mark.parametrize("content", [None, b"", b"not a picture"])
async def test_without_a_page_it_failed_and_says_why(room: Room, content: bytes | None) -> None:
    call_id = await began(room)
    if content is not None:
        room.files.incoming(call_id).write_bytes(content)
    await over(room, call_id, good=True, pages=0)
    await finisher(room).step()
    fax = (await room("GET", f"/faxes/{call_id}", "agent")).json()
    assert fax["state"] == "failed"
    assert fax["error"]
    assert (await room("GET", f"/faxes/{call_id}/pdf", "agent")).status_code == 409


async def test_a_crash_between_file_and_commit_loses_nothing(room: Room) -> None:
    call_id = await began(room)
    write_tiff(room.files.incoming(call_id), blank(1))
    await over(room, call_id)
    # The file was put away, the commit was not seen: the next one finds it there.
    kept = room.files.received(call_id).with_suffix(".tif")
    kept.parent.mkdir(parents=True)
    room.files.incoming(call_id).rename(kept)
    assert await finisher(room).step() == 1
    assert (await room("GET", f"/faxes/{call_id}", "agent")).json()["state"] == "received"


async def test_a_full_disk_holds_up_one_fax_and_not_for_ever(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await began(room), await began(room)
    for call_id in (one, other):
        write_tiff(room.files.incoming(call_id), blank(1))
        await over(room, call_id)
    real = finisher_module.pdf_of

    def full(source, target):  # type: ignore[no-untyped-def]
        if str(one) in str(target):
            raise OSError(errno.ENOSPC, "full")
        return real(source, target)

    monkeypatch.setattr(finisher_module, "pdf_of", full)
    assert await finisher(room).step() == 1
    assert (await room("GET", f"/faxes/{other}", "agent")).json()["state"] == "received"
    assert (await room("GET", f"/faxes/{one}", "agent")).json()["state"] == "converting"
    monkeypatch.undo()
    assert await finisher(room).step() == 1


async def test_a_pdf_that_was_changed_is_not_given_out(room: Room) -> None:
    call_id = await began(room)
    write_tiff(room.files.incoming(call_id), blank(1))
    await over(room, call_id)
    await finisher(room).step()
    room.files.received(call_id).write_bytes(b"%PDF-other")
    with pytest.raises(FaxNotThere, match="changed"):
        await room.service.pdf(call_id)
    room.files.received(call_id).unlink()
    with pytest.raises(FaxNotThere, match="disappeared"):
        await room.service.pdf(call_id)


async def test_cancel_and_retry_are_acts(room: Room) -> None:
    await room.document()
    call_id = await room.call()
    body = {"call_id": str(call_id), "document": "form", "language": "zh"}
    ordered = await room("POST", "/faxes", "agent", json=body | {"number": "053188880001"})
    assert ordered.status_code == 201, ordered.text
    path = f"/faxes/{ordered.json()['fax_id']}"
    assert ordered.json()["state"] == "waiting"
    assert (await room("POST", f"{path}/retry", "supervisor", json={})).status_code == 409
    cancelled = await room("POST", f"{path}/cancel", "supervisor")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await room("POST", f"{path}/cancel", "supervisor")).status_code == 409
    again = await room("POST", f"{path}/retry", "supervisor", json={"number": "01088880001"})
    assert again.status_code == 200, again.text
    assert (again.json()["state"], again.json()["number"]) == ("waiting", "+861088880001")
    assert [one["attempt"] for one in again.json()["tries"]] == [1, 2]
    assert (await room("GET", f"{path}/pdf", "agent")).content.startswith(b"%PDF-")
    emergency = await room("POST", "/faxes", "agent", json=body | {"number": "110"})
    assert emergency.status_code == 422
    unknown = await room("POST", "/faxes", "agent", json=body | {"document": "none"})
    assert unknown.status_code == 404
    nobody = await room("POST", "/faxes", "agent", json=body | {"call_id": str(uuid4())})
    assert nobody.status_code == 404


async def test_what_came_in_is_neither_cancelled_nor_sent_again(room: Room) -> None:
    call_id = await began(room)
    with pytest.raises(FaxNotWaiting):
        await room.service.cancel(call_id, by="ling")
    with pytest.raises(FaxNotOver):
        await room.service.retry(call_id, None, by="ling")


async def test_a_fax_in_the_call_is_sent_again_only_with_a_number(room: Room) -> None:
    await room.document()
    call_id = await room.call()
    fax_id = await room.service.order(call_id, "form", "zh")
    await room.tell(
        FaxFinished(
            call_id=call_id, at=room.clock(), fax=str(fax_id), way="call", good=False, pages=0,
            mode="audio", error="x",
        )
    )  # fmt: skip
    with pytest.raises(InvalidField, match="where it goes"):
        await room.service.retry(fax_id, None, by="ling")
    view = await room.service.retry(fax_id, "053188880001", by="ling")
    assert view.row["state"] == "waiting"


async def test_pages_of_the_list_follow_each_other(room: Room) -> None:
    calls = [await began(room) for _ in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        reply = (await room("GET", f"/faxes?limit=2{cursor}", "agent")).json()
        seen += [UUID(fax["fax_id"]) for fax in reply["items"]]
        cursor = f"&cursor={reply['next_cursor']}"
    assert sorted(seen) == sorted(calls)
    assert reply["next_cursor"] is None
