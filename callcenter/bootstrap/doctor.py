"""`callcenter doctor`: each part looked at from outside, with how to mend what is wrong.

Needs nothing of ours to be running: what is not there is what it reports.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from asterisk.manager import Manager, ManagerAuthException, ManagerException  # pyst2

from callcenter.asterisk.config.secrets import secret
from callcenter.asterisk.config.wanted import AMI_SECRET
from callcenter.asterisk.install import locate
from callcenter.bootstrap.node import AMI_USER
from callcenter.bootstrap.ready import api_client, asterisk_has_booted, says_ok
from callcenter.health.checks import all_checks, trunk_wanted
from callcenter.platform.alive import age
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.health import Check, CheckResult, NamedResult, run_checks
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.prompts.shipped import problems, shipped_directory

_START = "run `make run` (or start the process under your own supervisor)"


async def examine(settings: Settings) -> int:
    """Print every check; 1 when something is wrong, else 0 (alarms are printed, too)."""
    print(f"instance in {settings.home}")
    database = Database(database_url(settings), name="callcenter-doctor", pool_size=2)
    checks: dict[str, Check] = {
        "installation": _installation,
        "secrets": lambda: _secrets(settings),
        "prompts": _prompts,
        "fax font": lambda: _fax_font(settings),
        "asterisk": lambda: _asterisk(settings),
        # A second client, written by others, must be let in where ours is.
        "ami login (pyst2)": lambda: _second_client(settings),
        "agi processes": lambda: _agi(settings),
        "api": lambda: _api(settings),
        **all_checks(
            database,
            system_clock,
            node=settings.node,
            recordings=settings.sealed_recordings,
            trunk=trunk_wanted(settings),
        ),
    }
    try:
        results = await run_checks(checks)
    finally:
        await database.close()
    for result in results:
        _print(result)
    wrong = sum(not result.ok for result in results)
    alarms = sum(result.alarm for result in results)
    well = f"callers are served; alarms: {alarms}" if alarms else "all is well"
    print(well if not wrong else f"{wrong} of {len(results)} things are wrong")
    return 1 if wrong else 0


def _print(result: NamedResult) -> None:
    verdict = "WRONG" if not result.ok else "ALARM" if result.alarm else "ok   "
    print(f"  {verdict} {result.name}: {result.detail}")
    if result.alarm or not result.ok:
        print(f"        mend: {result.mend or _START}")


async def _installation() -> CheckResult:
    found = await asyncio.to_thread(locate)
    if found is None:
        return CheckResult(
            ok=False, detail="no Asterisk found", mend="run `callcenter asterisk install`"
        )
    return CheckResult(ok=True, detail=f"Asterisk {found.version}")


async def _fax_font(settings: Settings) -> CheckResult:
    found = await asyncio.to_thread(locate)
    mend = "run `callcenter asterisk install`, or set CALLCENTER_FAX_FONT"
    if settings.fax_font is not None:
        if settings.fax_font.is_file():
            return CheckResult(ok=True, detail=str(settings.fax_font))
        return CheckResult(ok=False, detail=f"{settings.fax_font} is not there", mend=mend)
    if found is None or not found.has_font:
        return CheckResult(ok=False, detail="no Chinese font: no page can be drawn", mend=mend)
    return CheckResult(ok=True, detail=found.fax_font().name)


async def _secrets(settings: Settings) -> CheckResult:
    folder = settings.secrets_directory
    if not folder.is_dir():
        return CheckResult(ok=False, detail=f"{folder} is not there", mend=_START)
    open_to_others = [
        path.name for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077
    ]
    if open_to_others:
        return CheckResult(
            ok=False,
            detail=f"readable by others: {', '.join(open_to_others)}",
            mend=f"chmod -R go= {folder}",
        )
    return CheckResult(ok=True, detail="for their owner alone")


async def _prompts() -> CheckResult:
    wrong = await asyncio.to_thread(lambda: list(problems(shipped_directory())))
    if wrong:
        return CheckResult(
            ok=False,
            detail="; ".join(wrong[:3]),
            mend="run `python -m callcenter.prompts.render`",
        )
    return CheckResult(ok=True, detail="every shipped prompt is there in every language")


async def _asterisk(settings: Settings) -> CheckResult:
    installation = await asyncio.to_thread(locate)
    if installation is None or not await asterisk_has_booted(installation, settings):
        return CheckResult(ok=False, detail="does not answer on its control socket", mend=_START)
    return CheckResult(ok=True, detail="booted, answers on its control socket")


async def _second_client(settings: Settings) -> CheckResult:
    if not (settings.secrets_directory / AMI_SECRET).exists():
        return CheckResult(ok=False, detail="no AMI secret yet", mend=_START)
    password = secret(settings.secrets_directory, AMI_SECRET)

    def log_in() -> CheckResult:
        manager = Manager()
        try:
            manager.connect("127.0.0.1", settings.ami_port)
            manager.login(AMI_USER, password)
        except ManagerAuthException:
            return CheckResult(
                ok=False,
                detail="login refused",
                mend=f"the secret in {settings.asterisk_directory}/etc and in "
                f"{settings.secrets_directory} differ: restart Asterisk",
            )
        except (ManagerException, OSError) as exc:
            return CheckResult(ok=False, detail=f"port {settings.ami_port}: {exc}", mend=_START)
        finally:
            # Logs off where it is logged in; pyst2's own logoff() before it would do it twice.
            manager.close()
        return CheckResult(ok=True, detail=f"let in on port {settings.ami_port}")

    return await asyncio.to_thread(log_in)


async def _agi(settings: Settings) -> CheckResult:
    def sign(number: int) -> Path:
        return settings.run_directory / f"agi-{number}.alive"

    ages = {number: age(sign(number)) for number in range(1, settings.agi_processes + 1)}
    silent = [n for n, old in ages.items() if old is None or old.total_seconds() > 2]
    if silent:
        names = ", ".join(f"agi-{number}" for number in silent)
        return CheckResult(ok=False, detail=f"no sign of life: {names}", mend=_START)
    return CheckResult(ok=True, detail=f"{len(ages)} show life")


async def _api(settings: Settings) -> CheckResult:
    async with api_client(settings) as client:
        alive = await says_ok(client, "/health/live")
    if alive:
        return CheckResult(ok=True, detail=f"answers on {settings.api_host}:{settings.api_port}")
    return CheckResult(
        ok=False, detail=f"no answer on {settings.api_host}:{settings.api_port}", mend=_START
    )
