"""`callcenter agi`: runs the flow of each call. Keeps nothing that must outlive a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.experts.model import NoSuchGroup
from callcenter.agents.experts.service import ExpertService
from callcenter.asterisk.agi.request import AgiRequest
from callcenter.asterisk.agi.server import AgiServer, AgiSettings
from callcenter.asterisk.agi.session import AgiCallSession
from callcenter.asterisk.dialplan import (
    Route,
    Variable,
)
from callcenter.asterisk.install import locate
from callcenter.bootstrap.callbacks import callback_policy, callback_rule
from callcenter.bootstrap.cases import case_title
from callcenter.bootstrap.desk import HotlineDesk
from callcenter.bootstrap.estimates import spoken_rule
from callcenter.bootstrap.fax import PublishedArticles, fax_documents, fax_service
from callcenter.bootstrap.prompts import prompt_library
from callcenter.calls.journal_fields import clean_name
from callcenter.calls.model import agent_of
from callcenter.calls.numbers import normalise_number
from callcenter.calls.seed import CallSeed
from callcenter.calls.service import remember_call
from callcenter.cases.progress import CaseProgress
from callcenter.cases.service import CaseService
from callcenter.ivr.conversation import Around
from callcenter.ivr.flows import FlowCache
from callcenter.ivr.handler import IvrService, QueuedCall
from callcenter.ivr.voice import LibraryVoice
from callcenter.knowledge.service import ArticleService
from callcenter.lines.doors import Doors
from callcenter.lines.surveys.dialogue import Surveys
from callcenter.platform.alive import show_life
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.platform.tasks import run_until_stopped
from callcenter.queues.estimates.service import EstimateService
from callcenter.switch.service import SwitchService

#: CALLINGPRES (RFC 3323 in Asterisk's coding): these bits say "presentation restricted".
_PRESENTATION = 0x60
_RESTRICTED = 0x20


async def serve_agi(settings: Settings, number: int) -> None:
    """Serve until stopped. Several processes share the port (SO_REUSEPORT)."""
    database = Database(database_url(settings), name=f"callcenter-agi-{number}", pool_size=5)
    cache = FlowCache(database, settings.home / "cache" / "flows.json", zone=settings.zone)
    cache.load()
    cases = CaseService(database, system_clock)
    doors = Doors(database, system_clock, cache.is_open)
    desk = HotlineDesk(database, cases, CaseProgress(database), system_clock, settings.zone)
    seeds = desk.seeds
    installation = await asyncio.to_thread(locate)
    library = prompt_library(settings, None)
    articles = ArticleService(database, library, system_clock, zone=settings.zone)
    desk.articles = PublishedArticles(articles)
    documents = fax_documents(settings, database, installation, system_clock, desk.articles)
    desk.faxes = fax_service(settings, database, documents, system_clock)
    desk.callback_rule = callback_rule(settings)
    desk.callback_policy = callback_policy(settings)

    async def open_case(call: QueuedCall) -> None:
        async with database.transaction() as connection:
            await _open_case(connection, seeds[call.call_id], cases)

    ivr = IvrService(
        cache,
        LibraryVoice(library),
        open_case,
        doors=doors,
        around=Around(desk, system_clock),
        waits=EstimateService(database, system_clock, rule=spoken_rule(settings)),
    )
    server = AgiServer(AgiSettings(port=settings.agi_port, reuse_port=True))

    async def served(
        request: AgiRequest, serve: Callable[[AgiCallSession], Awaitable[None]]
    ) -> None:
        caller = _caller(settings, request)
        session = AgiCallSession(request, server.counters, caller)
        seeds[session.call_id] = _seed(settings, session, request)
        try:
            await serve(session)
        finally:
            del seeds[session.call_id]

    async def flow(request: AgiRequest) -> None:
        await served(request, ivr.run)

    async def callback(request: AgiRequest) -> None:
        queue, status = request.argument(4), request.argument(5)
        await served(request, lambda session: ivr.offer_callback(session, queue, waits=not status))

    surveys = Surveys(database, system_clock, LibraryVoice(library))

    async def survey(request: AgiRequest) -> None:
        await surveys.run(AgiCallSession(request, server.counters))

    server.add_route(Route.FLOW, flow)
    server.add_route(Route.CALLBACK, callback)
    experts = ExpertService(
        database, system_clock, SwitchService(database, system_clock, settings.node)
    )

    async def expert(request: AgiRequest) -> None:
        await _ring_experts(request, experts)

    server.add_route(Route.EXPERT, expert)
    server.add_route(Route.SURVEY, survey)
    await server.serve()
    try:
        await run_until_stopped(
            {
                "follow flows": cache.follow(),
                "follow doors": doors.follow(),
                "alive": show_life(settings.run_directory / f"agi-{number}.alive"),
            }
        )
    finally:
        await server.close()
        await database.close()


async def _ring_experts(request: AgiRequest, experts: ExpertService) -> None:
    """Tell the dialplan whose phones ring; how long is the last word: without it we were lost."""
    extension = request.headers.get("agi_arg_1", "")
    caller = agent_of(request.headers.get("agi_channel", ""))
    try:
        group, agents = await experts.ring(f"*{extension}", caller)
    except NoSuchGroup:
        return
    await request.command("SET VARIABLE", Variable.EXPERTS, "-".join(agents))
    await request.command("SET VARIABLE", Variable.EXPERT_SECONDS, str(group.ring_seconds))


async def _open_case(connection: AsyncConnection, seed: CallSeed, cases: CaseService) -> None:
    """The call's row first, the case refers to it; both or neither."""
    await remember_call(connection, seed)
    await cases.open_for_call(
        connection,
        seed.call_id,
        title=case_title(seed.line),
        opened_by="system:agi",
        at=system_clock(),
    )


def _withheld(request: AgiRequest) -> bool:
    presentation = request.headers.get("agi_callingpres", "0")
    return presentation.isdecimal() and int(presentation) & _PRESENTATION == _RESTRICTED


def _caller(settings: Settings, request: AgiRequest) -> str | None:
    if _withheld(request):
        return None
    return normalise_number(request.headers.get("agi_callerid", ""), settings.phone_region)


def _seed(settings: Settings, session: AgiCallSession, request: AgiRequest) -> CallSeed:
    headers = request.headers
    uniqueid = headers.get("agi_uniqueid", "")
    return CallSeed(
        call_id=session.call_id,
        node=settings.node,
        # AGI does not tell the linkedid; the journal does, and until then a call is its own.
        linkedid=uniqueid,
        uniqueid=uniqueid,
        line=session.line,
        caller_number=session.caller,
        caller_name=clean_name(headers.get("agi_calleridname", "")),
        caller_withheld=_withheld(request),
        started_at=system_clock(),
    )
