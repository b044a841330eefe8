"""What must be there before the first process starts: folders, rows, prompts, conf files."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path

from callcenter.access.service import AccessService
from callcenter.agents.seed import seed_agents
from callcenter.asterisk.config.secrets import new_password
from callcenter.asterisk.config.wanted import read_wanted
from callcenter.asterisk.config.write import apply
from callcenter.asterisk.install import Installation
from callcenter.bootstrap.fax import fax_files
from callcenter.bootstrap.prompts import prompt_library
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.ivr.service import FlowService
from callcenter.knowledge.seed import seed_articles
from callcenter.lines.notices.seed import seed_defaults as seed_notice
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.lines.service import LineService
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.files import put_whole
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.prompts import store as prompt_rows
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.placing import reconcile
from callcenter.prompts.seed import seed_shipped
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.shipped import deploy_shipped, shipped_directory
from callcenter.queues.seed import seed_queues
from callcenter.schedules.seed import seed_schedules
from callcenter.switch.service import SwitchService


def prepare_folders(settings: Settings) -> None:
    """Every folder of the instance, for its owner alone."""
    for folder in (
        settings.home,
        settings.run_directory,
        settings.log_directory,
        settings.secrets_directory,
        settings.journal_directory,
        settings.incoming_recordings,
        settings.sealed_recordings,
        settings.merged_recordings,
        settings.prompts_directory,
        settings.home / "cache",
        *fax_files(settings).folders,
    ):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


async def prepare_database(
    settings: Settings, installation: Installation, say: Callable[[str], None]
) -> str | None:
    """Schema, first rows, prompts. Returns the admin's password where one was made just now."""
    url = database_url(settings)
    await upgrade(url)
    database = Database(url, name="callcenter-prepare", pool_size=2)
    try:
        phones = PhoneSecrets(settings.secrets_directory / "phones.toml")
        async with database.transaction() as connection:
            await seed_queues(connection)
            await seed_schedules(connection, system_clock)
            await seed_agents(connection, system_clock, phones.secret_for)
            await seed_articles(connection, system_clock, settings.zone)
            await seed_flow(connection, system_clock)
            await seed_notice(connection, system_clock)
            await seed_line(connection)
        phones.save()
        access = AccessService(database, system_clock, settings.token_ttl)
        given = settings.admin_password
        first = await access.ensure_admin(given.get_secret_value() if given else None)
        library = prompt_library(settings, installation)
        new, mended = await prepare_prompts(database, library)
        for line in mended:
            say(line)
        flows = FlowService(database, library, system_clock, zone=settings.zone)
        switch = SwitchService(database, system_clock, settings.node)
        lines = LineService(database, switch, library)
        spoken = await flows.render_active() + await lines.render_all()
        if new or spoken:
            say(f"{new} shipped prompts, {spoken} texts spoken by espeak-ng")
        return first
    finally:
        await database.close()


async def prepare_prompts(database: Database, library: PromptLibrary) -> tuple[int, list[str]]:
    """The shipped prompts as files and rows; how many were new, and what did not agree."""
    folder = shipped_directory()
    async with database.transaction() as connection:
        gone = await prompt_rows.removed(connection)
    new = await asyncio.to_thread(deploy_shipped, library.directory, folder=folder, skip=gone)
    shelf = Shelf(library, folder)
    async with database.transaction() as connection:
        await seed_shipped(connection, shelf, folder, system_clock)
    return new, await reconcile(database, shelf, system_clock, adopt=True)


async def prepare_switch(settings: Settings, installation: Installation) -> None:
    """Asterisk's whole configuration on disk, before it starts."""
    database = Database(database_url(settings), name="callcenter-prepare", pool_size=1)
    try:
        async with database.transaction() as connection:
            wanted = await read_wanted(connection, settings, installation)
        await asyncio.to_thread(apply, wanted.config)
    finally:
        await database.close()


class PhoneSecrets:
    """Passwords of the phones there are out of the box, in a file only the owner reads.

    The database holds digests; agents made later get theirs told once by the API.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: dict[str, str] = {}
        self._known: dict[str, str] = {}
        if path.exists():
            self._known = tomllib.loads(path.read_text("utf-8")).get("phones", {})

    def secret_for(self, agent_id: str) -> str:
        """The password of this phone, made now if there is none."""
        if agent_id not in self._known:
            self._known[agent_id] = self._made[agent_id] = new_password()
        return self._known[agent_id]

    def save(self) -> None:
        """Write down what was made; whole or not at all."""
        if not self._made:
            return
        text = "# Passwords of the agents' phones made at the first start.\n[phones]\n" + "".join(
            f'{agent} = "{password}"\n' for agent, password in sorted(self._known.items())
        )
        put_whole(self._path, text.encode())
