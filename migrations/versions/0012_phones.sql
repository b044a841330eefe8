-- Agents' phones, skills, teams. Statements are parted by "-- ----" lines.

CREATE TABLE teams (
  name    text NOT NULL,
  title   text NOT NULL,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_teams PRIMARY KEY (name),
  CONSTRAINT ck_teams_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_teams_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_teams_version CHECK (version >= 1)
)
-- ----
-- A commaless name each, so that one pattern holds for all of them.
CREATE FUNCTION are_names(names text[]) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
  RETURN CASE WHEN array_ndims(names) > 1 THEN false
    ELSE array_position(names, NULL) IS NULL
      AND array_to_string(names, ',') ~ '^([a-z][a-z0-9_]{0,39}(,[a-z][a-z0-9_]{0,39})*)?$' END
-- ----
-- `user_id`: the login of this person, at most one agent's.
ALTER TABLE agents
  ADD COLUMN team        text,
  ADD COLUMN departments text[] NOT NULL DEFAULT '{}',
  ADD COLUMN phone_kind  text NOT NULL DEFAULT 'sip',
  ADD COLUMN user_id     uuid,
  ADD CONSTRAINT fk_agents_team_teams FOREIGN KEY (team) REFERENCES teams,
  ADD CONSTRAINT fk_agents_user_id_users FOREIGN KEY (user_id) REFERENCES users,
  ADD CONSTRAINT uq_agents_user_id UNIQUE (user_id),
  ADD CONSTRAINT ck_agents_departments CHECK (are_names(departments) AND cardinality(departments) <= 20),
  ADD CONSTRAINT ck_agents_phone_kind CHECK (phone_kind IN ('sip', 'webrtc'))
-- ----
CREATE INDEX ix_agents_team ON agents (team)
-- ----
CREATE TABLE agent_skills (
  agent_id text NOT NULL,
  kind     text NOT NULL,
  name     text NOT NULL,
  level    integer NOT NULL,
  CONSTRAINT pk_agent_skills PRIMARY KEY (agent_id, kind, name),
  CONSTRAINT fk_agent_skills_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT ck_agent_skills_kind CHECK (kind IN ('skill', 'language')),
  CONSTRAINT ck_agent_skills_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_agent_skills_level CHECK (level BETWEEN 1 AND 5)
)
-- ----
CREATE INDEX ix_agent_skills_name ON agent_skills (kind, name, level)
