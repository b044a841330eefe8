"""What calls to people on call come to: the key is an acknowledgement, as over REST.

In the transaction of the facts it follows from, so that no key is lost, whatever dies between.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.on_call import store
from callcenter.agents.on_call.model import NoSuchAlert, WrongAlertState
from callcenter.agents.on_call.ringing import CallOutcome
from callcenter.agents.on_call.service import TOPIC, acknowledged
from callcenter.calls.facts import AlertTold, CallEnded, Fact
from callcenter.platform.news import announce

log = logging.getLogger(__name__)


async def on_facts(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Settle the calls that the facts are of."""
    told = {fact.call_id for fact in facts if isinstance(fact, AlertTold | CallEnded)}
    ours = await store.calls_named(connection, told) if told else {}
    for fact in facts:
        match fact:
            case AlertTold(acknowledged=True):
                await _acknowledged(connection, fact)
            case AlertTold() if fact.call_id in ours:
                await _picked_up(connection, fact)
            case CallEnded() if fact.call_id in ours:
                await _ended(connection, fact)
            case _:
                pass


async def _picked_up(connection: AsyncConnection, fact: AlertTold) -> None:
    call = await store.call_of(connection, fact.call_id)
    if call is not None and call.outcome is None:
        await store.save_call(connection, call.picked_up(fact.at))
        await announce(connection, TOPIC, str(call.alert_id))


async def _acknowledged(connection: AsyncConnection, fact: AlertTold) -> None:
    """Also where the call's own row is not known: the person has said so."""
    outcome = CallOutcome.ACKNOWLEDGED
    who = await store.user_of(connection, fact.agent) or f"agent:{fact.agent}"
    try:
        await acknowledged(
            connection,
            UUID(fact.alert),
            who=who,
            reason=f"key 1 in call {fact.call_id}",
            at=fact.at,
            agent_id=fact.agent,
        )
    except WrongAlertState:
        outcome = CallOutcome.TOO_LATE
    except NoSuchAlert:
        log.error("call %s acknowledges an alert there is not", fact.call_id)
        return
    # The alert first, then its calls: as the caller locks them.
    call = await store.call_of(connection, fact.call_id)
    if call is not None and call.outcome is None:
        call = call.picked_up(fact.at).over(outcome, fact.at)
        await store.save_call(connection, call)


async def _ended(connection: AsyncConnection, fact: CallEnded) -> None:
    call = await store.call_of(connection, fact.call_id)
    if call is not None and call.outcome is None:
        outcome = CallOutcome.HEARD if call.heard_at else CallOutcome.NO_ANSWER
        await store.save_call(connection, call.over(outcome, fact.at))
        await announce(connection, TOPIC, str(call.alert_id))
