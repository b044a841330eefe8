"""Keeps Asterisk's configuration what the rows say: written, loaded, read back.

Nothing counts as in force because a file was written or a Reload was answered: only because
Asterisk, asked over AMI, describes what was wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.config.inforce import (
    Snapshot,
    changed_phones,
    not_in_force,
    phone_differences,
)
from callcenter.asterisk.config.model import AgentConfig, SwitchConfig
from callcenter.asterisk.config.wanted import read_wanted
from callcenter.asterisk.config.write import (
    conf_tree,
    modules_of,
    prepare_directories,
    restore,
    tree_key,
    write_atomically,
)
from callcenter.asterisk.dialplan import (
    Context,
)
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
_SEEN_WITHIN: Final = timedelta(seconds=4)
_LOOK_EVERY_SECONDS: Final = 0.1
#: … and the former configuration, put back, within this: both together before the API gives up.
_BACK_WITHIN: Final = timedelta(seconds=1)
#: What Asterisk did not take is tried again after this time, or at the next wish.
_TRY_AGAIN_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A configuration Asterisk was seen to have: what to go back to, and what need not be reloaded
    again."""

    config: SwitchConfig
    tree: dict[str, str]


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
        #: The last one seen in force; `_loaded` is the same where this very Asterisk was seen so.
        self._seen: _Seen | None = None
        self._loaded: _Seen | None = None
        #: The one Asterisk did not take, and until when it is left alone.
        self._refused: tuple[str, float] = ("", 0.0)
        #: A module did not load its files anew: they are new to it still.
        self._is_stale = False
        #: What Asterisk has not as wanted, as of the last look; for the health report.
        self.problems: tuple[str, ...] = ("not looked yet",)

    def wake(self) -> None:
        """Look again now: Asterisk may be another one than before."""
        self._is_in_force = False
        self._loaded = None
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
            tree = await asyncio.to_thread(conf_tree, wanted.config)
            if not changes and self._is_left_alone(tree):
                return
            is_new = await asyncio.to_thread(_write, wanted.config, tree)
        except HotlineError as exc:
            await self._settle_all(exc.message)
            return
        problems = await self._load(_Seen(wanted.config, tree), is_new=is_new or bool(changes))
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

    def _is_left_alone(self, tree: dict[str, str]) -> bool:
        key, until = self._refused
        return key == tree_key(tree) and asyncio.get_running_loop().time() < until

    async def _load(self, wanted: _Seen, *, is_new: bool) -> list[str]:
        """Have Asterisk load what changed, and look; where it does not take it, go back.

        What is wrong; empty: the wanted one is in force.
        """
        problems: list[str] = ["not looked yet"]
        fresh: Sequence[AgentConfig] = ()
        if self._loaded is not None:
            fresh = changed_phones(self._loaded.config, wanted.config)
            fewer = modules_of(self._loaded.tree, wanted.tree, MODULES)
            problems = await self._reload(fewer)
            problems = problems or await self._until_seen(wanted.config, fresh)
        if problems:
            # Not known, or not what it was taken for: everything anew.
            problems = await self._reload(MODULES) if is_new or self._is_stale else []
            problems = problems or await self._until_seen(wanted.config, fresh)
        if not problems:
            self._seen = self._loaded = wanted
            self._refused = ("", 0.0)
            return []
        if self._seen is not None and self._seen.tree != wanted.tree:
            until = asyncio.get_running_loop().time() + _TRY_AGAIN_SECONDS
            self._refused = (tree_key(wanted.tree), until)
            problems.insert(0, await self._go_back(self._seen, wanted))
        return problems

    async def _go_back(self, former: _Seen, refused: _Seen) -> str:
        """Put the former configuration back, on disk and in Asterisk; a sentence about it."""
        self._loaded = None
        paths = former.config.paths
        if not await asyncio.to_thread(restore, tree_key(former.tree), paths):
            return "The former configuration is not on the disk any more"
        problems = await self._reload(modules_of(former.tree, refused.tree, MODULES))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _BACK_WITHIN.total_seconds()
        while not problems:
            wrong = not_in_force(former.config, await self._look())
            if not wrong:
                break
            if loop.time() > deadline:
                problems = [str(difference) for difference in wrong]
            else:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if problems:
            return f"The former configuration is not wholly back ({problems[0]})"
        self._loaded = former
        return "The former configuration stays in force"

    async def _reload(self, modules: Sequence[str]) -> list[str]:
        """What Asterisk refused."""
        problems = []
        for module in modules:
            try:
                await self._ami.action("Reload", {"Module": module})
            except ActionRefused as exc:
                problems.append(f"{module} was not reloaded: {exc.reason}")
        self._is_stale = bool(problems)
        return problems

    async def _until_seen(self, config: SwitchConfig, fresh: Sequence[AgentConfig]) -> list[str]:
        """What is not as wanted after half the time there is; `fresh` are looked at one by one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SEEN_WITHIN.total_seconds() / 2
        problems = await self._until_in_force(config, _SEEN_WITHIN / 2)
        while not problems:
            details = {
                agent.agent_id: _events(
                    await self._ami.list_action("PJSIPShowEndpoint", {"Endpoint": agent.agent_id})
                )
                for agent in fresh
            }
            wrong = [str(difference) for difference in phone_differences(fresh, details)]
            if not wrong or loop.time() > deadline:
                return wrong
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return problems

    async def _until_in_force(self, config: SwitchConfig, within: timedelta) -> list[str]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within.total_seconds()
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


def _write(config: SwitchConfig, tree: dict[str, str]) -> bool:
    prepare_directories(config)
    return write_atomically(tree, config.paths)


def _events(messages: Sequence[AmiMessage]) -> tuple[dict[str, str], ...]:
    return tuple(dict(reversed(message.pairs)) for message in messages)
