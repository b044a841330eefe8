"""Which keys a text announces, and what for."""

from __future__ import annotations

import pytest

from callcenter.ivr.check.keys import announced

pytestmark = pytest.mark.unit

TEXTS = [
    ("自助查询请按1，For English press 2，人工请按0或稍候。", "120"),
    ("请按一键查询，按 2 号键投诉，按星号返回，按井号键重听", "12*#"),
    ("请按１查询，按数字2投诉，按“3”返回", "123"),
    ("请按1、2或3，按＊返回，按#结束", "123*#"),
    ("人工请按零。", "0"),
    ("按一下就好，按三年计算，按10元收费，按12345，按1.5倍，按一定标准，按五个工作日", ""),
    ("按100元以上", ""),
    ("Press 1 for answers, 2 for English, or stay on the line.", "12"),
    ("For identity cards, press 1. For opening hours, press 2. For a person, press 0.", "120"),
    ("Press star to go back, press the pound key to repeat, press hash to end.", "*##"),
    ("Press one for cards; press two for hours, or three to leave a message.", "123"),
    ("Press 1 or 2.", "12"),
    ("press the number 4 key, pressing 5, dial 6", "456"),
    ("Open from 9 to 12. Press 1 for hours, 24 hours a day, 7 days a week.", "1"),
    ("press 10 or 1.5", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "keys"), TEXTS)
def test_the_keys_of_a_text_are_read(text: str, keys: str) -> None:
    assert "".join(key for key, _topic in announced(text)) == keys


TOPICS = [
    ("身份证办理请按1，大厅服务时间请按1。", ["身份证办理", "大厅服务时间"]),
    ("您好，查询请按1。再说一遍，查询请按1。", ["查询", "查询"]),
    ("按1查询，按1投诉", ["查询", "投诉"]),
    ("Press 1 for A. Press 1 for B.", ["A", "B"]),
    ("For cards, press 1. For hours, press 1.", ["cards", "hours"]),
]


@pytest.mark.parametrize(("text", "topics"), TOPICS)
def test_what_a_key_is_for_tells_two_choices_from_one_said_twice(
    text: str, topics: list[str]
) -> None:
    assert [topic for _key, topic in announced(text)] == topics


def test_a_long_text_is_read_in_one_pass() -> None:
    assert announced("按" * 2000) == []
    assert announced("press " * 333) == []
    assert announced("press 1" + ", or " * 400) == [("1", "")]
