"""One question about the call, answered by one key."""

from __future__ import annotations

from callcenter.ivr.conversation import INVALID, INVALID_KEY, TIMED_OUT, Conversation, Go
from callcenter.ivr.nodes import PERSON, Survey


async def survey(talk: Conversation, here: str, node: Survey, key: str) -> Go:
    """One question, one key; the journal has the answer as the key of a second step."""
    files = talk.files(node.say)
    for _ in range(2):
        pressed = await talk.one_key(talk.step(here, key), files, node.timeout_seconds)
        if pressed is None:
            return Go(node.next, TIMED_OUT)
        if pressed in node.answers:
            await talk.entered(here, pressed, f"survey/{node.question}")
            return Go(node.next)
        if pressed == "0":
            return Go(PERSON, "0")
        files, key = [*talk.prompts(INVALID_KEY), *talk.files(node.say)], INVALID + pressed
    return Go(node.next, key)
