"""What a flow asks for a caller: the fax it gets is what was heard, or a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from callcenter.bootstrap.desk import HotlineDesk
from callcenter.bootstrap.fax import PublishedArticles
from callcenter.cases.progress import CaseProgress
from callcenter.channels.fax.document import Document
from callcenter.ivr.desk import FaxWish, NoDesk, NotToThere
from callcenter.platform.errors import NotFound

if TYPE_CHECKING:
    from tests.integration.channels.conftest import Room

pytestmark = pytest.mark.integration


class Heard:
    """Articles whose version tells itself."""

    async def heard(self, article: str, number: int | None, language: str) -> Document:
        return Document(f"{article} {language} {number}", [("", "文")])


@pytest.fixture
def desk(room: Room) -> HotlineDesk:
    return HotlineDesk(
        room.database,
        room.cases,
        CaseProgress(room.database),
        room.clock,
        ZoneInfo("Asia/Shanghai"),
        faxes=room.service,
        articles=cast("PublishedArticles", cast("Any", Heard())),
    )


async def test_a_call_the_journal_has_not_told_of_gets_its_row_case_and_fax(
    room: Room, desk: HotlineDesk
) -> None:
    await room.document()
    call_id = uuid4()
    desk.seeds[call_id] = room.seed(call_id)
    fax_id = await desk.order_fax(call_id, "12345", FaxWish("zh", document="form"))
    view = await room.service.fax(fax_id)
    assert (view.row["state"], view.row["created_by"]) == ("ready", "system:agi")
    assert view.row["case_number"]
    assert room.files.out(fax_id).exists()


async def test_an_article_is_faxed_in_the_version_that_was_heard(
    room: Room, desk: HotlineDesk
) -> None:
    wish = FaxWish("zh", article="permit", article_version=3, number="053188880001")
    fax_id = await desk.order_fax(await room.call(), "12345", wish)
    view = await room.service.fax(fax_id)
    assert (view.row["title"], view.row["state"]) == ("permit zh 3", "waiting")


async def test_a_number_that_is_not_dialled_is_told_as_such(room: Room, desk: HotlineDesk) -> None:
    await room.document()
    for number in ("110", "00442071234567"):
        with pytest.raises(NotToThere):
            await desk.order_fax(
                await room.call(), "12345", FaxWish("zh", document="form", number=number)
            )


async def test_what_is_not_there_is_not_ordered(room: Room, desk: HotlineDesk) -> None:
    with pytest.raises(NotFound):
        await desk.order_fax(await room.call(), "12345", FaxWish("zh", document="none"))
    with pytest.raises(NoDesk):
        await desk.order_fax(await room.call(), "12345", FaxWish("zh"))
