"""`callcenter api`: every room's router in one application. Never talks to Asterisk."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import uvicorn
from fastapi import APIRouter, FastAPI

from callcenter import __version__
from callcenter.access.api import router as access_router
from callcenter.access.audit import AuditService
from callcenter.access.audit_api import router as audit_router
from callcenter.access.guard import Guard
from callcenter.access.service import AccessService
from callcenter.agents.api import router as agents_router
from callcenter.agents.directory.api import router as directory_router
from callcenter.agents.directory.service import DirectoryService
from callcenter.agents.experts.api import router as experts_router
from callcenter.agents.experts.service import ExpertService
from callcenter.agents.in_call.api import router as in_call_router
from callcenter.agents.in_call.service import InCallService
from callcenter.agents.on_call.api import router as on_call_router
from callcenter.agents.on_call.service import OnCallService
from callcenter.agents.rosters.api import router as rosters_router
from callcenter.agents.rosters.service import RosterService
from callcenter.agents.service import AgentService
from callcenter.agents.sessions.api import reasons_router
from callcenter.agents.sessions.api import router as agent_states_router
from callcenter.agents.sessions.reasons import PauseReasonService
from callcenter.agents.sessions.service import SessionService
from callcenter.agents.supervision.api import router as supervision_router
from callcenter.agents.supervision.service import SupervisionService
from callcenter.agents.teams.api import router as teams_router
from callcenter.agents.teams.service import TeamService
from callcenter.asterisk.install import Installation, MissingProgram, locate
from callcenter.bootstrap.callbacks import CallbackCases, callback_policy, callback_rule
from callcenter.bootstrap.estimates import spoken_rule
from callcenter.bootstrap.fax import PublishedArticles, fax_documents, fax_service
from callcenter.bootstrap.live import WEBSOCKETS, live_routes, live_service, live_tasks
from callcenter.bootstrap.phones import phone_server
from callcenter.bootstrap.prompts import prompt_library
from callcenter.calls.api import router as calls_router
from callcenter.calls.service import CallService
from callcenter.cases.api import router as cases_router
from callcenter.cases.service import CaseService
from callcenter.channels.fax.api import FAX_BODIES
from callcenter.channels.fax.api import router as fax_router
from callcenter.channels.messages.api import router as messages_router
from callcenter.channels.messages.service import MessageService
from callcenter.health.api import router as health_router
from callcenter.health.checks import all_checks, trunk_wanted
from callcenter.health.metrics import Metrics
from callcenter.ivr.api import router as flows_router
from callcenter.ivr.service import FlowService
from callcenter.ivr.studio.api import router as studio_router
from callcenter.ivr.studio.service import StudioService
from callcenter.knowledge.api import router as articles_router
from callcenter.knowledge.service import ArticleService
from callcenter.lines.api import router as lines_router
from callcenter.lines.callers.api import router as callers_router
from callcenter.lines.callers.service import CallerListService
from callcenter.lines.flags.api import router as flags_router
from callcenter.lines.flags.service import FlagService
from callcenter.lines.notices.api import router as notices_router
from callcenter.lines.notices.service import NoticeService
from callcenter.lines.service import LineService
from callcenter.lines.surveys.api import router as surveys_router
from callcenter.lines.surveys.service import SurveyService
from callcenter.live.gauges import tell_clients
from callcenter.platform.alive import show_life
from callcenter.platform.body_limit import BodyLimit
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.postgres import database_url
from callcenter.platform.problems import install_problem_handlers
from callcenter.platform.settings import Settings
from callcenter.platform.tasks import run_until_stopped
from callcenter.prompts.api import BODY_LIMITS as PROMPT_BODIES
from callcenter.prompts.api import router as prompts_router
from callcenter.prompts.service import PromptService
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.shipped import shipped_directory
from callcenter.queues.api import router as queues_router
from callcenter.queues.callbacks.api import router as callbacks_router
from callcenter.queues.callbacks.service import CallbackService
from callcenter.queues.estimates.api import router as estimates_router
from callcenter.queues.estimates.service import EstimateService
from callcenter.queues.service import QueueService
from callcenter.recordings.api import router as recordings_router
from callcenter.recordings.quality.api import router as quality_router
from callcenter.recordings.quality.service import QualityService
from callcenter.recordings.service import RecordingService
from callcenter.reports.agents.api import router as agent_reports_router
from callcenter.reports.channels.api import router as channel_reports_router
from callcenter.reports.channels.service import ChannelReportService
from callcenter.reports.gauges import QueueGauges
from callcenter.reports.queues.api import router as queue_reports_router
from callcenter.reports.service import ReportService
from callcenter.reports.staffing.api import router as staffing_router
from callcenter.schedules.api import router as schedules_router
from callcenter.schedules.service import CalendarService, ScheduleService
from callcenter.switch.acts import ActOrders
from callcenter.switch.service import SwitchService

#: Twice the largest flow; uploads have limits of their own (`RouteLimit`).
_LARGEST_BODY = 2 * 1024 * 1024

#: How old a shared answer of /health/ready may be.
_HEALTH_KEPT = timedelta(milliseconds=250)


def build_app(settings: Settings, database: Database, installation: Installation | None) -> FastAPI:
    """The whole REST API on this database. Without an installation it can neither speak new texts
    nor draw faxes."""
    clock = system_clock
    access = AccessService(database, clock, settings.token_ttl)
    guard = Guard(access.authenticate)
    switch = SwitchService(database, clock, settings.node)
    acts = ActOrders(database, clock, settings.node)
    sessions = SessionService(database, clock)
    library = prompt_library(settings, installation)
    flows = FlowService(database, library, clock, zone=settings.zone)
    callers = CallerListService(database, clock, region=settings.phone_region)
    studio = StudioService(database, flows, library, clock, zone=settings.zone)
    articles = ArticleService(database, library, clock, zone=settings.zone)
    documents = fax_documents(settings, database, installation, clock, PublishedArticles(articles))
    recordings = RecordingService(database, sealed=settings.sealed_recordings, clock=clock)
    in_call = InCallService(
        database,
        clock,
        acts,
        CaseService(database, clock),
        has_trunk=settings.trunk_host is not None,
        region=settings.phone_region,
        pause_limit=settings.recording_pause_limit,
        default_language=settings.default_language,
    )
    rosters = RosterService(
        database, clock, zone=settings.zone, default_language=settings.default_language
    )
    reports = ReportService(
        database,
        clock,
        zone=settings.zone,
        threshold=settings.answer_threshold,
        short=settings.short_abandon,
    )
    live = live_service(settings, database, access)
    quality = QualityService(
        database, clock, zone=settings.zone, new_seed=lambda: secrets.randbits(52)
    )
    api = APIRouter(prefix="/api/v1")
    for room in (
        access_router(access, guard),
        live_routes(settings, database, live, access, guard),
        calls_router(CallService(database, region=settings.phone_region), guard),
        cases_router(CaseService(database, clock), guard),
        recordings_router(recordings, guard),
        quality_router(quality, guard),
        audit_router(AuditService(database), guard),
        fax_router(fax_service(settings, database, documents, clock), documents, guard),
        messages_router(
            MessageService(database, CaseService(database, clock), recordings, clock), guard
        ),
        flows_router(flows, guard),
        lines_router(LineService(database, switch, library), guard),
        callers_router(callers, guard),
        flags_router(FlagService(database, clock), guard),
        surveys_router(SurveyService(database, clock), guard),
        notices_router(NoticeService(database, library, clock), guard),
        articles_router(articles, guard),
        prompts_router(PromptService(database, Shelf(library, shipped_directory()), clock), guard),
        studio_router(studio, flows, guard, clock),
        queues_router(QueueService(database, switch, library.available), guard),
        callbacks_router(
            CallbackService(
                database,
                clock,
                callback_policy(settings),
                callback_rule(settings),
                CallbackCases(CaseService(database, clock)),
            ),
            guard,
        ),
        schedules_router(ScheduleService(database, clock), CalendarService(database, clock), guard),
        agents_router(AgentService(database, clock, switch, phone_server(settings)), guard),
        teams_router(TeamService(database), guard),
        estimates_router(EstimateService(database, clock, rule=spoken_rule(settings)), guard),
        queue_reports_router(reports, guard),
        agent_reports_router(reports, guard),
        channel_reports_router(ChannelReportService(database, clock, zone=settings.zone), guard),
        staffing_router(guard),
        supervision_router(
            SupervisionService(database, clock, acts, sessions, node=settings.node, new_id=uuid4),
            guard,
        ),
        agent_states_router(sessions, guard, clock),
        reasons_router(PauseReasonService(database, switch), guard),
        rosters_router(rosters, guard),
        experts_router(ExpertService(database, clock, switch), guard),
        on_call_router(OnCallService(database, clock, callback_rule(settings)), guard),
        directory_router(DirectoryService(database, clock, switch), guard),
        in_call_router(in_call, guard),
    ):
        api.include_router(room)
    app = FastAPI(
        title="callcenter",
        version=__version__,
        description="A city's hotline: calls, cases, recordings, flows, lines.",
    )
    app.state.live = live
    bodies = (*PROMPT_BODIES, *FAX_BODIES)
    app.add_middleware(BodyLimit, most_bytes=_LARGEST_BODY, routes=bodies, prefix="/api/v1")
    install_problem_handlers(app)
    app.include_router(api)
    checks = all_checks(
        database,
        clock,
        node=settings.node,
        recordings=settings.sealed_recordings,
        trunk=trunk_wanted(settings),
    )
    gauges = QueueGauges(
        zone=settings.zone, threshold=settings.answer_threshold, short=settings.short_abandon
    )
    metrics = Metrics(database, clock, rooms=[gauges])
    tell_clients(metrics.registry, live)
    app.include_router(health_router(checks, metrics, keep=_HEALTH_KEPT))
    return app


async def serve_api(settings: Settings) -> None:
    """Serve until stopped."""
    installation = locate()
    if installation is None:
        raise MissingProgram
    database = Database(database_url(settings), name="callcenter-api")
    app = build_app(settings, database, installation)
    _complete_routes(app)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            **WEBSOCKETS,
        )
    )
    try:
        await run_until_stopped(
            {
                "http": _serve_http(server),
                **live_tasks(app.state.live),
                "alive": show_life(settings.run_directory / "api.alive"),
            }
        )
    finally:
        await database.close()


def _complete_routes(app: FastAPI) -> None:
    """FastAPI completes included routes as the first request comes, in the event loop: a second of
    CPU, in which a busy machine would take the process for one that hangs."""
    nowhere = {"type": "http", "method": "GET", "path": "/", "headers": [], "root_path": ""}
    for route in app.routes:
        route.matches(dict(nowhere))


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: stopping is `run_until_stopped`'s."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_http(server: uvicorn.Server) -> None:
    serving = asyncio.create_task(server.serve(), name="uvicorn")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
