"""`collect`: digits that are asked for until they fit, and remembered."""

from __future__ import annotations

from datetime import date

from callcenter.cases.number import is_case_number
from callcenter.ivr.conversation import INVALID, INVALID_KEY, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.dialogues.questions import PHONE_DIGITS, confirms
from callcenter.ivr.nodes import PERSON, Collect


async def collect(talk: Conversation, here: str, node: Collect, key: str) -> Go:
    """Ask for digits until they fit, and remember them."""
    way_out, told = node.on_timeout, False
    for _ in range(node.retries + 1):
        files = [*(talk.prompts(INVALID_KEY) if told else []), *talk.files(node.say)]
        keyed = await talk.several_keys(
            talk.step(here, key), files, node.timeout_seconds, node.max_digits
        )
        if keyed == "0" and node.min_digits > 1:
            return Go(PERSON, "0")
        value = None if keyed is None else _fitting(node, keyed)
        if keyed is None:
            way_out, key, told = node.on_timeout, TIMED_OUT, False
        elif value is None:
            way_out, key, told = node.on_invalid, INVALID + KEYED, True
        elif not node.read_back:
            talk.values[node.into] = value
            return Go(node.next, KEYED)
        else:
            answer = await confirms(talk, here, keyed)
            if answer == "0":
                return Go(PERSON, "0")
            if answer == "1":
                talk.values[node.into] = value
                return Go(node.next, "1")
            way_out, key, told = node.on_invalid, answer or TIMED_OUT, False
    return Go(way_out or PERSON, key)


def _fitting(node: Collect, keyed: str) -> str | None:
    """What was keyed as it is remembered; None where it breaks the node's rules."""
    value = keyed.removesuffix("#")
    if node.kind == "id_number" and value.endswith("*"):
        value = value[:-1] + "X"  # the last place of an identity card may be an X: keyed as *
    digits = value.removesuffix("X")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if not node.min_digits <= len(value) <= node.max_digits:
        return None
    match node.kind:
        case "phone":
            return value if len(value) in PHONE_DIGITS else None
        case "case_number":
            return value if is_case_number(value) else None
        case "id_number":
            return value if is_identity_number(value) else None
        case "date":
            try:
                return date(int(value[:4]), int(value[4:6]), int(value[6:])).isoformat()
            except ValueError:
                return None
        case _:
            return value


def is_identity_number(value: str) -> bool:
    """Whether an 18-place resident identity number has its right last place (GB 11643-1999)."""
    if len(value) != 18 or not value[:17].isdigit():
        return False
    weighted = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(value[:17]))
    return "10X98765432"[weighted % 11] == value[17]
