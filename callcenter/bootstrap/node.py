"""`callcenter node`: beside one Asterisk. Folds its journal, keeps its configuration, finishes
recordings, and tells how it is."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.in_call.follow import InCallFollower
from callcenter.agents.on_call.caller import AlertCaller
from callcenter.agents.on_call.follow import on_facts as on_call_on_facts
from callcenter.agents.supervision.service import on_facts as supervision_on_facts
from callcenter.asterisk.alert import AmiAlertLines
from callcenter.asterisk.ami.bus import WANTED, AmiBus
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.link import AmiSettings
from callcenter.asterisk.announcements import Manner
from callcenter.asterisk.attendance import AttendanceKeeper
from callcenter.asterisk.callback import AmiCallbackLines
from callcenter.asterisk.config.secrets import secret
from callcenter.asterisk.config.wanted import AMI_SECRET, paths_of
from callcenter.asterisk.errors import AsteriskError
from callcenter.asterisk.fax import AmiFaxLines
from callcenter.asterisk.in_call import InCallActs
from callcenter.asterisk.install import MissingProgram, locate
from callcenter.asterisk.keeper import SwitchKeeper
from callcenter.asterisk.phone_holds import PhoneHolds
from callcenter.asterisk.queue_watch import AmiQueueWatch
from callcenter.asterisk.recording_pauses import RecordingPauses
from callcenter.asterisk.supervision import Supervision
from callcenter.asterisk.trunk import TrunkState, ask_again, look, register
from callcenter.bootstrap.callbacks import (
    CallbackCases,
    ScheduledLines,
    callback_policy,
    callback_rule,
)
from callcenter.bootstrap.cases import case_title
from callcenter.bootstrap.facts import FactsToRooms, node_types
from callcenter.bootstrap.fax import fax_files, fax_policy, fax_rule
from callcenter.calls.consumer import JournalConsumer
from callcenter.calls.facts import (
    Fact,
)
from callcenter.calls.tail import JournalReader
from callcenter.cases.service import CaseService
from callcenter.channels.fax.dialler import FaxDialler
from callcenter.channels.fax.finisher import FaxFinisher
from callcenter.channels.fax.follow import FaxFollower
from callcenter.channels.messages.service import MessageKeeper
from callcenter.platform.alive import age, show_life
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.platform.tasks import run_until_stopped
from callcenter.queues.callbacks.dialler import CallbackDialler
from callcenter.queues.callbacks.duty import CallbackDuty
from callcenter.queues.estimates.service import PaceKeeper
from callcenter.recordings import pauses as recording_pauses
from callcenter.recordings.finisher import RecordingFinisher
from callcenter.recordings.service import on_facts as recordings_on_facts
from callcenter.switch.acts import ActRunner, Executor
from callcenter.switch.service import SwitchService
from callcenter.switch.tables import node_status

log = logging.getLogger(__name__)

#: The manager user in asterisk-conf/manager.conf.
AMI_USER = "callcenter"
_REPORT_EVERY = timedelta(seconds=1)
_LOOK_AT_TRUNK_EVERY = timedelta(seconds=2)
_LARGEST_SEGMENT_BYTES = 64 * 1024 * 1024


class Node:
    """The parts of a node and how they hear of each other."""

    def __init__(self, settings: Settings) -> None:
        installation = locate()
        if installation is None:
            raise MissingProgram
        self._settings = settings
        self._database = Database(database_url(settings), name="callcenter-node", pool_size=6)
        self._cases = CaseService(self._database, system_clock)
        self._messages = MessageKeeper(
            self._cases, system_clock, deadline=settings.message_deadline
        )
        self._finisher = RecordingFinisher(
            self._database,
            node=settings.node,
            incoming=settings.incoming_recordings,
            sealed=settings.sealed_recordings,
            merged=settings.merged_recordings,
            clock=system_clock,
            on_finished=self._messages.settle,
        )
        self._reader = JournalReader(paths_of(settings, installation).journal)
        self._consumer = JournalConsumer(
            self._database,
            self._reader,
            node=settings.node,
            clock=system_clock,
            region=settings.phone_region,
            on_facts=self._tell_rooms,
            node_types=node_types,
        )
        self._bus = AmiBus()
        self._ami = AmiClient(
            AmiSettings(
                host="127.0.0.1",
                port=settings.ami_port,
                username=AMI_USER,
                secret=secret(settings.secrets_directory, AMI_SECRET),
                # Calls come from the journal; these tell at once how phones and queues are.
                wanted=WANTED,
            ),
            clock=system_clock,
            uniform=random.SystemRandom().uniform,
            on_connected=self._on_connected,
            on_gap=lambda _before, _after: self._snapshot_wanted.set(),
        )
        self._faxes = FaxFollower(self._cases, fax_policy(settings))
        self._fax_finisher = FaxFinisher(
            self._database,
            self._cases,
            fax_files(settings),
            node=settings.node,
            clock=system_clock,
        )
        self._fax_dialler = FaxDialler(
            self._database,
            AmiFaxLines(self._ami),
            self._faxes,
            node=settings.node,
            policy=fax_policy(settings),
            rule=fax_rule(settings),
            at_once=settings.fax_at_once,
            clock=system_clock,
            journal_is_read=self._journal_is_read,
        )
        self._callbacks = CallbackDuty(
            CallbackCases(self._cases), callback_policy(settings), callback_rule(settings)
        )
        self._callback_dialler = CallbackDialler(
            self._database,
            AmiCallbackLines(self._ami),
            self._callbacks,
            ScheduledLines(),
            node=settings.node,
            policy=callback_policy(settings),
            rule=callback_rule(settings),
            clock=system_clock,
            journal_is_read=self._journal_is_read,
        )
        self._alert_caller = AlertCaller(
            self._database,
            AmiAlertLines(self._ami),
            node=settings.node,
            rule=callback_rule(settings),
            clock=system_clock,
            journal_is_read=self._journal_is_read,
        )
        self._switch = SwitchService(self._database, system_clock, settings.node)
        self._in_call = InCallActs(
            self._ami, self._bus, self._database, trunk_host=settings.trunk_host
        )
        self._in_call_follower = InCallFollower(self._cases, settings.zone, case_title)
        self._phone_holds = PhoneHolds(
            self._bus,
            self._consumer.note,
            system_clock,
            self._journal_is_read,
        )
        self._pauses = RecordingPauses(
            self._ami,
            self._bus,
            recording_pauses.PauseBook(self._database, system_clock),
            system_clock,
            settings.node,
            manner=Manner(settings.recording_pause_announcement),
        )
        self._attendance = AttendanceKeeper(
            self._database,
            system_clock,
            self._ami,
            self._bus,
            default_language=settings.default_language,
        )
        self._keeper = SwitchKeeper(
            self._database,
            self._switch,
            self._ami,
            settings,
            installation,
            self._attendance.reconcile,
        )
        self._queue_watch = AmiQueueWatch(
            self._database, self._ami, dials=settings.trunk_host is not None
        )
        self._acts = ActRunner(self._database, system_clock, settings.node, self._executors())
        self._facts = FactsToRooms(
            self._cases,
            (
                recordings_on_facts,
                recording_pauses.on_facts,
                self._in_call_follower.on_facts,
                supervision_on_facts,
                on_call_on_facts,
                self._faxes.on_facts,
                self._messages.on_facts,
                self._attendance.on_facts,
                self._callbacks.on_facts,
            ),
        )
        self._snapshot_wanted = asyncio.Event()
        self._report_now = asyncio.Event()
        self._asterisk: dict[str, str] = {}
        self._behind_since: datetime | None = None
        self._trunk = TrunkState()

    async def serve(self) -> None:
        """Until stopped."""
        await self._ami.start()
        try:
            watched = {"trunk": self._watch_trunk()} if self._settings.trunk_host else {}
            await run_until_stopped(
                {
                    **watched,
                    "journal": self._consumer.run(),
                    "recordings": self._finisher.run(),
                    "faxes in": self._fax_finisher.run(),
                    "faxes out": self._fax_dialler.run(),
                    "callbacks": self._callback_dialler.run(),
                    "alerts": self._alert_caller.run(),
                    "configuration": self._keeper.run(),
                    "configuration news": self._keeper.follow(),
                    "events": self._bus.serve(self._ami),
                    "pace of queues": PaceKeeper(self._database, system_clock).run(),
                    "agents": self._attendance.run(),
                    "news of agents": self._attendance.follow(),
                    "queues": self._queue_watch.run(),
                    "acts": self._acts.run(),
                    "in calls": self._in_call.run(),
                    "holds by phones": self._phone_holds.run(),
                    "recording pauses": self._pauses.run(),
                    "announcements": self._pauses.announcer.run(),
                    "news of acts": self._acts.follow(),
                    "snapshots": self._take_snapshots(),
                    "report": self._report(),
                    "rotate journal": self._rotate(),
                    "alive": show_life(self._settings.run_directory / "node.alive"),
                }
            )
        finally:
            await self._ami.close()
            await self._database.close()

    async def _tell_rooms(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        await self._facts(connection, facts)

    def _journal_is_read(self) -> bool:
        """Nothing of the journal is unread; blocking, but for a moment: two sizes of files."""
        return self._consumer.holds_place and not self._reader.lag_bytes()

    def _executors(self) -> dict[str, Executor]:
        """Who does which act, by its kind."""
        return {
            **Supervision(self._ami, self._consumer.note, system_clock).executors(),
            **self._in_call.executors(),
            **self._pauses.executors(),
        }

    async def _on_connected(self, ami: AmiClient) -> None:
        status = await ami.action("CoreStatus")
        core = await ami.action("CoreSettings")
        self._asterisk = {
            "version": core.get("AsteriskVersion") or "",
            "started_at": (
                f"{status.get('CoreStartupDate') or ''} {status.get('CoreStartupTime') or ''}"
            ).strip(),
        }
        await self._snapshot()
        self._keeper.wake()
        self._report_now.set()

    async def _snapshot(self) -> None:
        """Ask which channels live, and have calls without one ended through the fold."""
        begun_at = system_clock()
        channels = await self._ami.list_action("CoreShowChannels")
        live = {channel["Uniqueid"] for channel in channels if "Uniqueid" in channel}
        self._consumer.reconcile(live, started_at=begun_at)
        await self._bus.snapshot(self._ami)

    async def _take_snapshots(self) -> None:
        while True:
            await self._snapshot_wanted.wait()
            self._snapshot_wanted.clear()
            try:
                await self._snapshot()
            except AsteriskError as exc:
                # After a lost link the next connection takes one.
                log.warning("no snapshot after a gap: %s", exc.message)

    async def _watch_trunk(self) -> None:
        registers = self._settings.trunk_register
        was_lost = False
        while True:
            try:
                state = await look(self._ami, registers=registers)
                if registers and was_lost and state.contact == "Reachable":
                    # A provider that was away may have forgotten us; ours would last for minutes.
                    log.info("the provider answers again: registering anew")
                    await register(self._ami)
                if state.contact == "Unreachable":
                    # Asterisk asks once a minute: too long for a line that is back.
                    await ask_again(self._ami)
                was_lost = state.contact == "Unreachable"
            except AsteriskError:
                state = TrunkState()
            if state != self._trunk:
                self._trunk = state
                self._report_now.set()
            await asyncio.sleep(_LOOK_AT_TRUNK_EVERY.total_seconds())

    async def _report(self) -> None:
        while True:
            report = await self._describe()
            try:
                async with self._database.transaction() as connection:
                    values = {"heartbeat_at": system_clock(), "report": report}
                    await connection.execute(
                        insert(node_status)
                        .values(node=self._settings.node, **values)
                        .on_conflict_do_update(index_elements=["node"], set_=values)
                    )
            except DatabaseUnavailable as exc:
                log.warning("no heartbeat written: %s", exc.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(_REPORT_EVERY.total_seconds()):
                    await self._report_now.wait()
            self._report_now.clear()

    async def _describe(self) -> dict[str, Any]:
        settings, counters, status = self._settings, self._consumer.counters, self._ami.status
        lag_bytes = await asyncio.to_thread(self._reader.lag_bytes)
        now = system_clock()
        if lag_bytes == 0:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        lag = now - self._behind_since if self._behind_since else timedelta()
        signs = [
            age(settings.run_directory / f"agi-{number}.alive")
            for number in range(1, settings.agi_processes + 1)
        ]
        answering = sum(sign is not None and sign < timedelta(seconds=2) for sign in signs)
        return {
            "ami": {
                "state": str(status.state),
                "since": status.since.isoformat(),
                "detail": status.detail,
                "reconnects": self._ami.counters.reconnects,
                "gaps": self._ami.counters.gaps,
                "pings_missed": self._ami.counters.pings_missed,
            },
            "journal": {
                "lag_seconds": lag.total_seconds(),
                "lag_bytes": lag_bytes,
                "lines": counters.lines,
                "rejects": counters.rejects,
                "faults": counters.faults,
                "held": counters.held,
            },
            "agi": {"answering": answering, "of": settings.agi_processes},
            "asterisk": self._asterisk,
            "trunk": {"contact": self._trunk.contact, "registration": self._trunk.registration},
            "queues": {
                "stuck": self._queue_watch.watch.stuck_ever,
                "stuck_now": list(self._queue_watch.watch.stuck_now),
            },
            "configuration": {"problems": list(self._keeper.problems[:5])},
            "agents": {
                "drift_repaired": self._attendance.drift_repaired,
                "problems": list(self._attendance.problems[:5]),
            },
            "announcements": {
                "asked": self._pauses.announcer.asked,
                "failed": self._pauses.announcer.failed,
            },
        }

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(60)
            await asyncio.to_thread(
                self._reader.rotate_if_large, _LARGEST_SEGMENT_BYTES, time.time_ns()
            )


async def serve_node(settings: Settings) -> None:
    """Run the node until stopped."""
    await Node(settings).serve()
