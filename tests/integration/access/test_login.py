"""Logging in, and what a token is worth."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from callcenter.access.model import Role, TooManyLogins, WrongPassword
from callcenter.access.passwords import Passwords
from callcenter.access.service import AccessService
from callcenter.access.tables import access_tokens, login_failures, users
from callcenter.platform.db import Database
from callcenter.platform.errors import Misconfigured, NotAuthenticated
from callcenter.testing.desk import PASSWORD, Desk, open_desk, quick_passwords

pytestmark = pytest.mark.integration


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with open_desk(database, lambda _guard, _clock: []) as desk:
        yield desk


async def token_for(desk: Desk, name: str, password: str) -> int:
    reply = await desk.nobody.post("/auth/token", data={"username": name, "password": password})
    return reply.status_code


async def test_name_and_password_give_a_token_that_works(desk: Desk) -> None:
    reply = await desk.nobody.post("/auth/token", data={"username": "aki", "password": PASSWORD})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3600)
    assert reply.headers["Cache-Control"] == "no-store"
    me = await desk.nobody.get(
        "/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert (me.json()["name"], me.json()["role"]) == ("aki", "agent")


async def test_only_the_hash_of_a_token_is_kept(desk: Desk) -> None:
    issued = await desk.access.login("aki", PASSWORD)
    async with desk.database.transaction() as connection:
        kept = (await connection.execute(select(access_tokens.c.token_hash))).scalars().all()
    assert all(len(h) == 32 and issued.token.encode() not in h for h in kept)
    assert issued.token not in repr(issued)


async def test_a_token_that_has_run_out_is_refused(desk: Desk) -> None:
    desk.clock.forward(timedelta(minutes=59, seconds=59))
    assert (await desk.aki.get("/auth/me")).status_code == 200
    desk.clock.forward(timedelta(seconds=1))
    reply = await desk.aki.get("/auth/me")
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.json()["type"] == "/problems/not-authenticated"


async def test_a_token_is_refused_at_once_after_logout_and_the_others_stay(desk: Desk) -> None:
    other = await desk.access.login("aki", PASSWORD)
    assert (await desk.aki.post("/auth/logout")).status_code == 204
    assert (await desk.aki.get("/auth/me")).status_code == 401
    assert (await desk.access.authenticate(other.token)).name == "aki"


async def test_who_is_made_inactive_is_out_at_once_and_old_tokens_never_come_back(
    desk: Desk,
) -> None:
    for active in (False, True):
        reply = await desk.anna.patch(
            "/users/aki", json={"active": active}, headers={"If-Match": "*"}
        )
        assert reply.json()["active"] is active
        assert (await desk.aki.get("/auth/me")).status_code == 401
    assert await token_for(desk, "aki", PASSWORD) == 200


async def test_a_role_taken_away_is_away_with_the_next_request(desk: Desk) -> None:
    await desk.anna.patch("/users/sven", json={"role": "agent"}, headers={"If-Match": "*"})
    assert (await desk.sven.get("/auth/me")).json()["role"] == "agent"


async def test_a_token_that_was_never_issued_is_refused(desk: Desk) -> None:
    for token in ["", "x", "x" * 201, "ü€", "a" * 43]:
        with pytest.raises(NotAuthenticated):
            await desk.access.authenticate(token)


async def test_authenticating_takes_one_query(desk: Desk) -> None:
    issued = await desk.access.login("aki", PASSWORD)
    seen: list[str] = []
    event.listen(
        desk.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: seen.append(statement),
    )
    await desk.access.authenticate(issued.token)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("aki", "wrong password"),
        ("nobody-of-that-name", PASSWORD),
        ("AKI", PASSWORD),
        ("aki\0", PASSWORD),
        ("aki", PASSWORD + "\0"),
        ("aki", "short"),
        ("aki", "x" * 100_000),
        ("x" * 100_000, PASSWORD),
    ],
)
async def test_every_wrong_pair_gets_the_same_answer(desk: Desk, name: str, password: str) -> None:
    reply = await desk.nobody.post("/auth/token", data={"username": name, "password": password})
    assert reply.status_code == 401
    assert reply.json()["type"] == "/problems/wrong-password"
    assert reply.json()["detail"] == "The name or the password is wrong."


async def test_an_inactive_user_gets_the_answer_of_a_wrong_password(desk: Desk) -> None:
    await desk.anna.patch("/users/aki", json={"active": False}, headers={"If-Match": "*"})
    assert await token_for(desk, "aki", PASSWORD) == 401


async def test_an_unknown_name_costs_a_verification_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = quick_passwords()
    seen: list[str] = []
    really = passwords.verify

    async def verify(stored: str, password: str) -> bool:
        seen.append(stored)
        return await really(stored, password)

    monkeypatch.setattr(passwords, "verify", verify)
    async with open_desk(database, lambda _g, _c: []) as desk:
        access = AccessService(database, desk.clock, timedelta(hours=1), passwords=passwords)
        for name in ("nobody", "NOT A NAME"):
            with pytest.raises(WrongPassword):
                await access.login(name, PASSWORD)
    assert seen == [passwords.dummy] * 2


async def test_the_tenth_failure_within_15_minutes_shuts_the_door_of_that_name(
    desk: Desk,
) -> None:
    for _ in range(10):
        assert await token_for(desk, "aki", "wrong password") == 401
    reply = await desk.nobody.post("/auth/token", data={"username": "aki", "password": PASSWORD})
    assert reply.status_code == 429
    assert reply.json()["type"] == "/problems/too-many-logins"
    assert await token_for(desk, "sven", PASSWORD) == 200
    assert (await desk.aki.get("/auth/me")).status_code == 200
    desk.clock.forward(timedelta(minutes=15))
    assert await token_for(desk, "aki", PASSWORD) == 200


async def test_names_nobody_has_are_counted_like_others(desk: Desk) -> None:
    codes = [await token_for(desk, "ghost", "wrong password") for _ in range(11)]
    assert codes == [401] * 10 + [429]


async def test_forty_guesses_at_once_are_no_more_than_ten(desk: Desk) -> None:
    async def guess() -> type[Exception]:
        try:
            await desk.access.login("aki", "wrong password")
        except (WrongPassword, TooManyLogins) as exc:
            return type(exc)
        raise AssertionError

    outcomes = await asyncio.gather(*(guess() for _ in range(40)))
    assert outcomes.count(WrongPassword) == 10
    assert outcomes.count(TooManyLogins) == 30


async def test_forty_right_passwords_at_once_all_get_in_and_count_as_no_failure(
    desk: Desk,
) -> None:
    tokens = await asyncio.gather(*(desk.access.login("aki", PASSWORD) for _ in range(40)))
    assert len({issued.token for issued in tokens}) == 40
    async with desk.database.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(login_failures)) == 0


async def test_failures_that_no_longer_count_are_forgotten(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        await token_for(desk, name, "wrong password")
    desk.clock.forward(timedelta(minutes=16))
    await token_for(desk, "d", "wrong password")
    async with desk.database.transaction() as connection:
        assert (await connection.execute(select(login_failures.c.name))).scalars().all() == ["d"]


async def test_a_hash_of_older_parameters_is_renewed_at_login(desk: Desk) -> None:
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    access = AccessService(desk.database, desk.clock, timedelta(hours=1), passwords=stronger)

    async def stored() -> str | None:
        async with desk.database.transaction() as connection:
            return await connection.scalar(
                select(users.c.password_hash).where(users.c.name == "aki")
            )

    before = await stored()
    await access.login("aki", PASSWORD)
    after = await stored()
    assert before is not None
    assert after is not None
    assert "m=8,t=1" in before
    assert "m=16,t=2" in after
    await access.login("aki", PASSWORD)
    assert await stored() == after


async def test_changing_the_own_password_revokes_the_other_tokens_only(desk: Desk) -> None:
    other = await desk.access.login("aki", PASSWORD)
    body = {"old_password": PASSWORD, "new_password": "battery staple"}
    assert (await desk.aki.put("/auth/password", json=body)).status_code == 204
    assert (await desk.aki.get("/auth/me")).status_code == 200
    with pytest.raises(NotAuthenticated):
        await desk.access.authenticate(other.token)
    assert await token_for(desk, "aki", PASSWORD) == 401
    assert await token_for(desk, "aki", "battery staple") == 200


async def test_a_stolen_token_cannot_guess_the_password_for_ever(desk: Desk) -> None:
    body = {"old_password": "wrong password", "new_password": "battery staple"}
    codes = [(await desk.aki.put("/auth/password", json=body)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


async def test_the_first_start_makes_admin_and_tells_the_password_once(
    database: Database,
) -> None:
    async with open_desk(database, lambda _g, _c: []) as desk:
        made_up = await desk.access.ensure_admin(None)
        assert made_up is not None
        assert (await desk.access.login("admin", made_up)).principal.role is Role.ADMIN
        assert await desk.access.ensure_admin(None) is None
        assert (await desk.access.login("admin", made_up)).principal.name == "admin"


async def test_two_first_starts_at_once_tell_one_password(desk: Desk) -> None:
    told = await asyncio.gather(*(desk.access.ensure_admin(None) for _ in range(4)))
    [password] = [p for p in told if p is not None]
    assert await token_for(desk, "admin", password) == 200


async def test_a_password_from_the_settings_is_set_where_it_differs(desk: Desk) -> None:
    assert await desk.access.ensure_admin("first password") is None
    token = (await desk.access.login("admin", "first password")).token
    assert await desk.access.ensure_admin("first password") is None
    assert (await desk.access.authenticate(token)).name == "admin"
    await desk.access.change_user("admin", active=False)
    assert await desk.access.ensure_admin("second password") is None
    assert await token_for(desk, "admin", "second password") == 200
    assert await token_for(desk, "admin", "first password") == 401
    with pytest.raises(Misconfigured, match="CALLCENTER_ADMIN_PASSWORD"):
        await desk.access.ensure_admin("short")


async def test_sql_refuses_what_the_model_refuses(desk: Desk) -> None:
    for changes in (
        {"name": "Aki"},
        {"name": "a\n"},
        {"role": "god"},
        {"password_hash": PASSWORD},
        {"version": 0},
    ):
        with pytest.raises(IntegrityError):
            async with desk.database.transaction() as connection:
                await connection.execute(update(users).where(users.c.name == "aki").values(changes))
    async with desk.database.transaction() as connection:
        user_id = await connection.scalar(select(users.c.user_id).limit(1))
    token = {"user_id": user_id, "issued_at": desk.clock(), "token_hash": b"x" * 32}
    for values in (
        token | {"token_hash": b"x" * 31, "expires_at": desk.clock() + timedelta(hours=1)},
        token | {"expires_at": desk.clock()},
    ):
        with pytest.raises(IntegrityError):
            async with desk.database.transaction() as connection:
                await connection.execute(insert(access_tokens).values(values))


async def test_no_password_stands_in_the_log_or_in_any_reply(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hunter2-hunter2"
    replies = [
        await desk.nobody.post("/auth/token", data={"username": "aki", "password": secret}),
        await desk.nobody.post("/auth/token", data={"username": [secret], "pass": secret}),
        await desk.anna.post("/users", json={"name": "kim", "password": secret, "role": "x"}),
        await desk.anna.post("/users", json={"name": "kim", "password": [secret]}),
        await desk.anna.post("/users", json={"name": "kim", "password": secret, "role": "agent"}),
        await desk.anna.post("/users", content=f'{{"password": "{secret}"'.encode()),
        await desk.anna.put("/users/kim/password", json={"password": secret + "x" * 200}),
        await desk.anna.put("/users/kim/password", json=secret),
        await desk.aki.put("/auth/password", json={"old_password": secret, "new_password": "x"}),
    ]
    codes = [reply.status_code for reply in replies]
    assert codes == [401, 422, 422, 422, 201, 422, 422, 422, 422]
    assert all(secret not in reply.text for reply in replies)
    assert secret not in caplog.text
