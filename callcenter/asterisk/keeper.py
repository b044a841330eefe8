"""Keeps Asterisk's configuration what the rows say: written, loaded, read back.

Nothing counts as in force because a file was written or a Reload was answered: only because
Asterisk, asked over AMI, describes what was wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.config.inforce import Snapshot, not_in_force
from callcenter.asterisk.config.model import SwitchConfig
from callcenter.asterisk.config.wanted import read_wanted
from callcenter.asterisk.config.write import apply
from callcenter.asterisk.dialplan import Context
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.asterisk.install import Installation
from callcenter.lines.store import mark_in_force
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import HotlineError
from callcenter.platform.news import listen
from callcenter.platform.settings import Settings
from callcenter.queues import store as queue_store
from callcenter.switch.service import TOPIC, SwitchService

log = logging.getLogger(__name__)

#: Modules whose files we generate, in the order in which one names the other's things.
MODULES: Final = ("res_pjsip.so", "app_queue.so", "pbx_config.so", "app_playback.so")

#: A reload answers before it is done; what is wanted must be seen within this time.
_SEEN_WITHIN: Final = timedelta(seconds=3)
_LOOK_EVERY_SECONDS: Final = 0.1


class SwitchKeeper:
    """One for each node. `run()` for ever; `wake()` after each (re)connect of AMI."""

    def __init__(
        self,
        database: Database,
        switch: SwitchService,
        ami: AmiClient,
        settings: Settings,
        installation: Installation,
        reconcile_members: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._reconcile_members = reconcile_members
        self._database = database
        self._switch = switch
        self._ami = ami
        self._settings = settings
        self._installation = installation
        self._wake = asyncio.Event()
        self._is_in_force = False
        #: A module did not load its files anew: they are new to it still.
        self._is_refused = False
        #: What Asterisk has not as wanted, as of the last look; for the health report.
        self.problems: tuple[str, ...] = ("not looked yet",)

    def wake(self) -> None:
        """Look again now: Asterisk may be another one than before."""
        self._is_in_force = False
        self._wake.set()

    async def follow(self) -> None:
        """Wake at news of wishes, and look every few seconds anyhow. To be supervised."""
        async for news in listen(self._database):
            if news is None or news.topic == TOPIC:
                self._wake.set()

    async def run(self) -> None:
        """Bring every wish in force, for ever. To be supervised."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ami.status.state is not LinkState.CONNECTED:
                continue  # woken again as soon as it is
            try:
                await self._bring_in_force()
            except (DatabaseUnavailable, AsteriskError) as exc:
                self.problems = (exc.message,)
                log.warning("configuration not brought in force now: %s", exc.message)
            except Exception as exc:
                # A row that cannot be rendered, a full disk: told to those who wait, tried again.
                log.exception("configuration not brought in force")
                await self._settle_all(f"The node could not write it: {type(exc).__name__}")

    async def _bring_in_force(self) -> None:
        async with self._database.transaction() as connection:
            changes = await self._switch.open_changes(connection)
            wanted = await read_wanted(connection, self._settings, self._installation)
        if not changes and self._is_in_force:
            return
        try:
            is_new = await asyncio.to_thread(apply, wanted.config)
        except HotlineError as exc:
            await self._settle_all(exc.message)
            return
        if is_new or changes or self._is_refused:
            self._is_refused = False
            for module in MODULES:
                try:
                    await self._ami.action("Reload", {"Module": module})
                except ActionRefused as exc:
                    # It goes on with what it had; tried again at the next look.
                    self._is_in_force, self._is_refused = False, True
                    await self._settle_all(f"Asterisk did not load {module} anew: {exc.message}")
                    return
        problems = await self._until_in_force(wanted.config)
        self.problems = tuple(problems)
        self._is_in_force = not problems
        if problems:
            log.error("Asterisk has not what is wanted: %s", "; ".join(problems[:5]))
        async with self._database.transaction() as connection:
            if not problems:
                await mark_in_force(connection, wanted.line_versions)
                await queue_store.mark_in_force(connection, wanted.queue_versions)
            for change in changes:
                await self._switch.settle(
                    connection,
                    change.change_id,
                    in_force=not problems,
                    detail="; ".join(problems[:5]) or None,
                )

    async def _until_in_force(self, config: SwitchConfig) -> list[str]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SEEN_WITHIN.total_seconds()
        while True:
            problems = [str(difference) for difference in not_in_force(config, await self._look())]
            # Members come after their queue: an agent's change is in force with the membership.
            problems += await self._reconcile_members()
            if not problems or loop.time() > deadline:
                return problems
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _look(self) -> Snapshot:
        ask = self._ami.list_action
        return Snapshot(
            from_trunk=_events(await ask("ShowDialPlan", {"Context": Context.FROM_TRUNK})),
            from_agents=_events(await ask("ShowDialPlan", {"Context": Context.FROM_AGENTS})),
            queue_plan=_events(await ask("ShowDialPlan", {"Context": Context.QUEUE_PLAN})),
            endpoints=_events(await ask("PJSIPShowEndpoints")),
            auths=_events(await ask("PJSIPShowAuths")),
            queue_status=_events(await ask("QueueStatus")),
        )

    async def _settle_all(self, detail: str) -> None:
        self.problems = (detail,)
        try:
            async with self._database.transaction() as connection:
                for change in await self._switch.open_changes(connection):
                    await self._switch.settle(
                        connection, change.change_id, in_force=False, detail=detail
                    )
        except DatabaseUnavailable as exc:
            log.warning("could not say so: %s", exc.message)


def _events(messages: Sequence[AmiMessage]) -> tuple[dict[str, str], ...]:
    return tuple(dict(reversed(message.pairs)) for message in messages)
