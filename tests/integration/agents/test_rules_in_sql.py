"""The rules of agents and teams hold in the database too, whoever writes."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from callcenter.platform.db import Database

pytestmark = pytest.mark.integration

AGENT = "INSERT INTO agents (agent_id, name, sip_digest, created_at{0}) VALUES ('2001', 'x', '" + (
    "a" * 32 + "', now(){1})"
)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO teams VALUES ('Day', 'x')",
        "INSERT INTO teams VALUES ('day', '')",
        "INSERT INTO teams VALUES ('day', E'a\\nb')",
        "INSERT INTO teams VALUES ('day', 'x', 0)",
        AGENT.format(", team", ", 'nowhere'"),
        AGENT.format(", phone_kind", ", 'fax'"),
        AGENT.format(", user_id", ", gen_random_uuid()"),
        AGENT.format(", departments", ", '{Housing}'"),
        AGENT.format(", departments", ", '{\"a,B\"}'"),
        AGENT.format(", departments", ", '{a,NULL}'"),
        AGENT.format(", departments", ", '{{a,b},{c,d}}'"),
        AGENT.format(", departments", ", ARRAY(SELECT 'd' || n FROM generate_series(1, 21) n)"),
        AGENT.format("", "") + "; INSERT INTO agent_skills VALUES ('2001', 'skill', 'tax', 0)",
        AGENT.format("", "") + "; INSERT INTO agent_skills VALUES ('2001', 'skill', 'tax', 6)",
        AGENT.format("", "") + "; INSERT INTO agent_skills VALUES ('2001', 'skill', 'Tax', 1)",
        AGENT.format("", "") + "; INSERT INTO agent_skills VALUES ('2001', 'hobby', 'tax', 1)",
        "INSERT INTO agent_skills VALUES ('2999', 'skill', 'tax', 1)",
    ],
)
async def test_what_the_model_refuses_the_table_refuses(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        *before, wrong = statement.split("; ")
        for part in before:
            await connection.execute(text(part))
        with pytest.raises(IntegrityError):
            await connection.execute(text(wrong))
        await connection.rollback()


async def test_one_login_is_one_agents(database: Database) -> None:
    user = "'00000000-0000-0000-0000-000000000001'"
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO users (user_id, name, password_hash, role, created_at)"
                f" VALUES ({user}, 'x', '$argon2id$', 'agent', now())"
            )
        )
        agent = text(AGENT.format(", user_id", f", {user}"))
        await connection.execute(agent)
        await connection.execute(text("UPDATE agents SET agent_id = '2002'"))
        with pytest.raises(IntegrityError, match="uq_agents_user_id"):
            await connection.execute(agent)
        await connection.rollback()
