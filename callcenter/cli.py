"""The command `callcenter`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from callcenter.platform.errors import HotlineError
from callcenter.platform.log import set_up_logging
from callcenter.platform.settings import Settings, load_settings

app = typer.Typer(
    name="callcenter",
    help="A city's public hotline. Settings come from the environment: docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db_app = typer.Typer(help="The database.", no_args_is_help=True)
asterisk_app = typer.Typer(help="The private Asterisk.", no_args_is_help=True)
user_app = typer.Typer(help="People who use the API.", no_args_is_help=True)
app.add_typer(db_app, name="db")
app.add_typer(asterisk_app, name="asterisk")
app.add_typer(user_app, name="user")


def _run(work: Coroutine[Any, Any, int | None]) -> None:
    import uvloop

    code = uvloop.run(work)
    if code:
        raise typer.Exit(code)


def _settings() -> Settings:
    settings = load_settings()
    set_up_logging(settings.log_level)
    return settings


@app.command()
def run(
    once: Annotated[bool, typer.Option(help="Stop after the demonstration call.")] = False,
    demo: Annotated[bool, typer.Option(help="Put one real call through at the start.")] = True,
) -> None:
    """Start everything on this machine under one supervisor and put one real call through."""
    from callcenter.bootstrap.run import run_all

    asyncio.run(_exit_code(run_all(load_settings(), once=once, demo=demo)))


async def _exit_code(work: Coroutine[Any, Any, int]) -> None:
    if code := await work:
        sys.exit(code)


@app.command()
def api() -> None:
    """Serve the REST API."""
    from callcenter.bootstrap.api import serve_api

    _run(serve_api(_settings()))


@app.command()
def agi(
    number: Annotated[int, typer.Option(min=1, help="Which of the agi processes this is.")] = 1,
) -> None:
    """Run call flows for Asterisk over FastAGI."""
    from callcenter.bootstrap.agi import serve_agi

    _run(serve_agi(_settings(), number))


@app.command()
def node() -> None:
    """Sit beside one Asterisk: read its journal, keep its configuration, finish recordings."""
    from callcenter.bootstrap.node import serve_node

    _run(serve_node(_settings()))


@app.command()
def worker() -> None:
    """Run background jobs."""
    from callcenter.bootstrap.worker import serve_worker

    # psycopg, below procrastinate, wants asyncio's own loop.
    asyncio.run(serve_worker(_settings()))


@app.command()
def doctor() -> None:
    """Name each thing that is wrong with this instance and how to mend it."""
    from callcenter.bootstrap.doctor import examine

    _run(examine(load_settings()))


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema up to date (safe while calls are running)."""
    from callcenter.platform.migrate import newest_revision, upgrade
    from callcenter.platform.postgres import database_url

    asyncio.run(upgrade(database_url(_settings())))
    typer.echo(f"database is at {newest_revision()}")


@asterisk_app.command("install")
def asterisk_install(
    cache: Annotated[Path | None, typer.Option(help="Where to unpack it.")] = None,
) -> None:
    """Fetch Asterisk 22, SIPp and espeak-ng into a folder of ours; a system Asterisk is used."""
    from callcenter.asterisk.install import install

    found = install(cache, lambda line: typer.echo(line, err=True))
    typer.echo(f"Asterisk {found.version}: {' '.join(found.asterisk_command(Path('…')))}")


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="Login name.")],
    role: Annotated[str, typer.Option(help="agent, supervisor or admin.")] = "agent",
    password: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="PASSWORD"),
    ] = "",
) -> None:
    """Add a person who may use the API. The password is asked for, or read from $PASSWORD."""
    from callcenter.bootstrap.users import add_user

    _run(add_user(_settings(), name, role, password))
    typer.echo(f"added {name} as {role}")


def main() -> None:
    """Run the command; a refusal of ours is one readable message, exit code 1."""
    try:
        app()
    except HotlineError as exc:
        typer.echo(f"callcenter: {exc.message}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
