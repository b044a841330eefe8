"""Where a caller wants to be called back: asked by a flow, or in a queue."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from callcenter.calls.numbers import as_dialled_here
from callcenter.ivr.conversation import INVALID, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.desk import NotToThere
from callcenter.ivr.dialogues.questions import TRIES, choice, number_keyed
from callcenter.ivr.exits import CallBack, EnterQueue, FlowExit
from callcenter.ivr.nodes import PERSON, ToCallback
from callcenter.platform.errors import HotlineError

#: The step in which who waits in a queue is offered to be called back; the dot keeps it apart from
#: nodes. The key that leads there is queues.conf's.
OFFER: Final = ".callback"
OFFER_KEY: Final = "1"

log = logging.getLogger(__name__)


async def callback(talk: Conversation, here: str, node: ToCallback, key: str) -> Go | FlowExit:
    """Take down where the caller wants to be called back."""
    refused = Go(node.on_refused or PERSON, TIMED_OUT)
    number = talk.call.caller
    if number is not None:
        files = [*talk.files(node.say), *talk.prompts("callback_offer")]
        pressed = await choice(talk, here, key, files, "12")
        if pressed == "0":
            return Go(PERSON, "0")
        if pressed is None:
            return refused
        key = pressed
        number = number if pressed == "1" else None
    # Said with the question, not before it: a step costs two round trips at most.
    before = talk.files(node.say) if talk.call.caller is None else []
    return await _wish(talk, here, key, before, number, queue=node.queue) or refused


async def offer_callback(talk: Conversation, queue: str, *, waits: bool = True) -> FlowExit:
    """Who waits in `queue` pressed the key: at this number, read digit by digit, or at another one.
    Whoever does not choose goes on waiting; `waits` false: the queue had given them up.
    """
    key, number = OFFER_KEY, talk.call.caller
    if number is not None:
        files = [
            *talk.prompts("callback_offer_known"),
            *talk.digits(as_dialled_here(number)),
            *talk.prompts("callback_offer"),
        ]
        pressed = await choice(talk, OFFER, key, files, "12")
        if pressed is None or pressed == "0":
            return await _no_wish(talk, queue, pressed or TIMED_OUT, waits=waits)
        key = pressed
        number = number if pressed == "1" else None
    taken = await _wish(talk, OFFER, key, [], number, queue=queue)
    if isinstance(taken, CallBack):
        return taken
    key = taken.key if isinstance(taken, Go) else TIMED_OUT
    return await _no_wish(talk, queue, key, waits=waits)


async def _no_wish(talk: Conversation, queue: str, key: str, *, waits: bool) -> FlowExit:
    await talk.entered(OFFER, key)
    if waits:
        await talk.read(talk.prompts("callback_back"))
    return EnterQueue(queue, why="back")


async def _wish(
    talk: Conversation,
    here: str,
    key: str,
    before: list[Path],
    number: str | None,
    *,
    queue: str,
) -> Go | FlowExit | None:
    """Have the wish written down, with a number that is keyed where there is none yet; the way to a
    person where that cannot be, None where no number was given.
    """
    for _ in range(TRIES):
        if number is None:
            keyed = await number_keyed(talk, here, key, before)
            if not isinstance(keyed, str):
                return keyed
            number, key = keyed, "1"
        try:
            await talk.at_desk(
                talk.desk.take_callback(
                    talk.call.call_id,
                    talk.call.line,
                    queue=queue,
                    number=number,
                    language=talk.language,
                ),
                "callback",
            )
        except NotToThere:
            before = talk.prompts("number_not_possible")
            number, key = None, INVALID + KEYED
            continue
        except (HotlineError, TimeoutError) as exc:
            # A wish that could not be written down would be lost: a person takes it.
            log.error("call %s: no callback taken: %s", talk.call.call_id, type(exc).__name__)
            return Go(PERSON)
        await talk.entered(here, key, "callback/taken")
        await talk.read(talk.prompts("callback_taken"))
        return CallBack(queue)
    return None
