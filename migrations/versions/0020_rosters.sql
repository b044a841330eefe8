-- Shifts, cover, expert groups, on-call rota. Statements are parted by "-- ----" lines.

-- Who is on duty when.
CREATE TABLE shifts (
  shift_id   uuid NOT NULL,
  agent_id   text NOT NULL,
  starts_at  timestamptz NOT NULL,
  ends_at    timestamptz NOT NULL,
  note       text NOT NULL DEFAULT '',
  made_by    text NOT NULL,
  version    integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_shifts PRIMARY KEY (shift_id),
  CONSTRAINT fk_shifts_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT ck_shifts_order CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '16 hours'),
  CONSTRAINT ck_shifts_note CHECK (char_length(note) <= 200 AND is_plain_text(note))
)
-- ----
CREATE INDEX ix_shifts_agent_id ON shifts (agent_id, starts_at)
-- ----
CREATE INDEX ix_shifts_starts_at ON shifts (starts_at)
-- ----
-- An agent is in one place at a time. (An exclusion constraint needs btree_gist, which not every
-- PostgreSQL has.) The lock on the agent's row makes two writers wait for each other.
CREATE FUNCTION refuse_overlapping_shift() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM agents WHERE agent_id = NEW.agent_id FOR UPDATE;
  IF EXISTS (SELECT 1 FROM shifts WHERE agent_id = NEW.agent_id AND shift_id <> NEW.shift_id
             AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at) THEN
    RAISE EXCEPTION 'the agent has another shift in that time' USING ERRCODE = 'exclusion_violation';
  END IF;
  RETURN NEW;
END $$
-- ----
CREATE TRIGGER shifts_do_not_overlap BEFORE INSERT OR UPDATE ON shifts
  FOR EACH ROW EXECUTE FUNCTION refuse_overlapping_shift()
-- ----
-- How many must be on duty when.
CREATE TABLE cover_rules (
  name     text NOT NULL,
  title    text NOT NULL,
  at_least integer NOT NULL,
  queue    text,
  skill    text,
  language text,
  hours    jsonb NOT NULL DEFAULT '[]',
  version  integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_cover_rules PRIMARY KEY (name),
  CONSTRAINT fk_cover_rules_queue_queues FOREIGN KEY (queue) REFERENCES queues ON DELETE CASCADE,
  CONSTRAINT ck_cover_rules_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_cover_rules_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_cover_rules_at_least CHECK (at_least BETWEEN 1 AND 500),
  CONSTRAINT ck_cover_rules_hours CHECK (jsonb_typeof(hours) = 'array')
)
-- ----
-- Lawyers, agronomists …: whom agents hand a citizen on to, and what happens when nobody is there.
CREATE TABLE expert_groups (
  name          text NOT NULL,
  title         text NOT NULL,
  extension     text NOT NULL,
  ring_seconds  integer NOT NULL DEFAULT 20,
  only_on_duty  boolean NOT NULL DEFAULT true,
  answer_within interval NOT NULL DEFAULT '1 day',
  version       integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_expert_groups PRIMARY KEY (name),
  CONSTRAINT uq_expert_groups_extension UNIQUE (extension),
  CONSTRAINT ck_expert_groups_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_expert_groups_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_expert_groups_extension CHECK (extension ~ '^[*]7[0-9]{1,3}$'),
  CONSTRAINT ck_expert_groups_ring_seconds CHECK (ring_seconds BETWEEN 5 AND 120),
  CONSTRAINT ck_expert_groups_answer_within CHECK (answer_within BETWEEN interval '5 minutes' AND interval '30 days')
)
-- ----
CREATE TABLE expert_members (
  group_name text NOT NULL,
  agent_id   text NOT NULL,
  rank       integer NOT NULL,
  CONSTRAINT pk_expert_members PRIMARY KEY (group_name, agent_id),
  CONSTRAINT fk_expert_members_group_name_expert_groups FOREIGN KEY (group_name) REFERENCES expert_groups ON DELETE CASCADE,
  CONSTRAINT fk_expert_members_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT ck_expert_members_rank CHECK (rank BETWEEN 1 AND 100)
)
-- ----
-- A citizen whom no expert could take: somebody of the group calls back.
CREATE TABLE expert_tasks (
  task_id     uuid NOT NULL,
  group_name  text NOT NULL,
  call_id     uuid,
  case_number text,
  question    text NOT NULL DEFAULT '',
  made_at     timestamptz NOT NULL,
  made_by     text NOT NULL,
  due_at      timestamptz NOT NULL,
  state       text NOT NULL DEFAULT 'open',
  taken_by    text,
  taken_at    timestamptz,
  done_at     timestamptz,
  done_by     text,
  outcome     text,
  note        text NOT NULL DEFAULT '',
  version     integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_expert_tasks PRIMARY KEY (task_id),
  CONSTRAINT fk_expert_tasks_group_name_expert_groups FOREIGN KEY (group_name) REFERENCES expert_groups,
  CONSTRAINT uq_expert_tasks_call_id_group_name UNIQUE (call_id, group_name),
  CONSTRAINT fk_expert_tasks_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT ck_expert_tasks_state CHECK (state IN ('open', 'taken', 'done')),
  CONSTRAINT ck_expert_tasks_taken CHECK ((taken_by IS NULL) = (taken_at IS NULL) AND (state <> 'taken' OR taken_by IS NOT NULL)),
  CONSTRAINT ck_expert_tasks_done CHECK ((state = 'done') = (done_at IS NOT NULL AND done_by IS NOT NULL AND outcome IS NOT NULL)),
  CONSTRAINT ck_expert_tasks_outcome CHECK (outcome IN ('reached', 'not_reached', 'withdrawn')),
  CONSTRAINT ck_expert_tasks_about CHECK (call_id IS NOT NULL OR case_number IS NOT NULL),
  CONSTRAINT ck_expert_tasks_texts CHECK (char_length(question) <= 2000 AND is_plain_text(question, true)
    AND char_length(note) <= 1000 AND is_plain_text(note, true))
)
-- ----
CREATE INDEX ix_expert_tasks_due_at ON expert_tasks (due_at) WHERE state <> 'done'
-- ----
-- Rapid response: who is called first, second …, and how long each has to say "I have it".
CREATE TABLE rotas (
  name        text NOT NULL,
  title       text NOT NULL,
  ack_within  interval NOT NULL DEFAULT '10 minutes',
  version     integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_rotas PRIMARY KEY (name),
  CONSTRAINT ck_rotas_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_rotas_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_rotas_ack_within CHECK (ack_within BETWEEN interval '10 seconds' AND interval '4 hours')
)
-- ----
CREATE TABLE rota_turns (
  turn_id   uuid NOT NULL,
  rota      text NOT NULL,
  level     integer NOT NULL,
  agent_id  text NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at   timestamptz NOT NULL,
  CONSTRAINT pk_rota_turns PRIMARY KEY (turn_id),
  CONSTRAINT fk_rota_turns_rota_rotas FOREIGN KEY (rota) REFERENCES rotas ON DELETE CASCADE,
  CONSTRAINT fk_rota_turns_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT ck_rota_turns_level CHECK (level BETWEEN 1 AND 5),
  CONSTRAINT ck_rota_turns_order CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '31 days')
)
-- ----
CREATE INDEX ix_rota_turns_rota ON rota_turns (rota, ends_at)
-- ----
CREATE TABLE alerts (
  alert_id        uuid NOT NULL,
  rota            text NOT NULL,
  words           text NOT NULL,
  case_number     text,
  raised_at       timestamptz NOT NULL,
  raised_by       text NOT NULL,
  level           integer NOT NULL,
  level_since     timestamptz NOT NULL,
  state           text NOT NULL DEFAULT 'open',
  acknowledged_at timestamptz,
  acknowledged_by text,
  closed_at       timestamptz,
  closed_by       text,
  note            text NOT NULL DEFAULT '',
  version         integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_alerts PRIMARY KEY (alert_id),
  CONSTRAINT fk_alerts_rota_rotas FOREIGN KEY (rota) REFERENCES rotas,
  CONSTRAINT fk_alerts_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT ck_alerts_words CHECK (char_length(words) BETWEEN 1 AND 500 AND is_plain_text(words, true)),
  CONSTRAINT ck_alerts_note CHECK (char_length(note) <= 1000 AND is_plain_text(note, true)),
  CONSTRAINT ck_alerts_level CHECK (level BETWEEN 1 AND 5),
  CONSTRAINT ck_alerts_state CHECK (state IN ('open', 'acknowledged', 'closed')),
  CONSTRAINT ck_alerts_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)
    AND (state <> 'acknowledged' OR acknowledged_at IS NOT NULL)),
  CONSTRAINT ck_alerts_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL AND closed_by IS NOT NULL))
)
-- ----
CREATE INDEX ix_alerts_open ON alerts (level_since) WHERE state = 'open'
-- ----
-- Whom an alert was given to, and when it went on to the next level: never changed.
CREATE TABLE alert_steps (
  alert_id uuid NOT NULL,
  step     integer NOT NULL,
  at       timestamptz NOT NULL,
  level    integer NOT NULL,
  what     text NOT NULL,
  agent_id text, -- kept when the agent is gone; null: nobody was on that level
  CONSTRAINT pk_alert_steps PRIMARY KEY (alert_id, step),
  CONSTRAINT fk_alert_steps_alert_id_alerts FOREIGN KEY (alert_id) REFERENCES alerts,
  CONSTRAINT ck_alert_steps_what CHECK (what IN ('given', 'escalated', 'exhausted', 'acknowledged', 'closed'))
)
-- ----
CREATE TRIGGER alert_steps_append_only BEFORE UPDATE OR DELETE ON alert_steps
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
