-- Queue visits, talks, states of agents, acts of the switch, audit. Parted by "-- ----" lines.

-- Each time a caller waits in a queue: what the figures of queues are counted from. Written by the
-- fold of calls, in the transaction of the call's row.
CREATE TABLE queue_visits (
  call_id          uuid NOT NULL,
  visit            integer NOT NULL,
  queue            text NOT NULL,
  why              text NOT NULL,
  language         text,
  priority         integer,
  entered_at       timestamptz NOT NULL,
  position         integer,
  estimate_seconds integer,
  answered_at      timestamptz,
  agent            text,
  left_at          timestamptz,
  outcome          text,
  CONSTRAINT pk_queue_visits PRIMARY KEY (call_id, visit),
  CONSTRAINT fk_queue_visits_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_queue_visits_visit CHECK (visit >= 1),
  CONSTRAINT ck_queue_visits_outcome CHECK (outcome IN ('answered', 'abandoned', 'timeout', 'full',
    'no_agents', 'withdrawn', 'left_by_key', 'moved', 'failed')),
  CONSTRAINT ck_queue_visits_left CHECK ((outcome IS NULL) = (left_at IS NULL)),
  CONSTRAINT ck_queue_visits_answered CHECK ((outcome IS NOT DISTINCT FROM 'answered') = (answered_at IS NOT NULL)
    AND (answered_at IS NULL) = (agent IS NULL)),
  CONSTRAINT ck_queue_visits_order CHECK (answered_at >= entered_at AND left_at >= entered_at),
  CONSTRAINT ck_queue_visits_position CHECK (position >= 1 AND estimate_seconds >= 0)
)
-- ----
CREATE INDEX ix_queue_visits_entered_at ON queue_visits (entered_at, queue)
-- ----
CREATE INDEX ix_queue_visits_waiting ON queue_visits (queue, entered_at) WHERE outcome IS NULL
-- ----
-- Each span in which an agent and the others of a call heard each other.
CREATE TABLE agent_talks (
  call_id  uuid NOT NULL,
  uniqueid text NOT NULL,
  agent    text NOT NULL,
  visit    integer,
  began_at timestamptz NOT NULL,
  ended_at timestamptz,
  CONSTRAINT pk_agent_talks PRIMARY KEY (call_id, uniqueid),
  CONSTRAINT fk_agent_talks_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_agent_talks_order CHECK (ended_at >= began_at)
)
-- ----
CREATE INDEX ix_agent_talks_agent ON agent_talks (agent, began_at)
-- ----
-- What Asterisk is asked to do at once, in a call that is going on: done by the node, once.
CREATE TABLE switch_acts (
  act_id    bigint GENERATED ALWAYS AS IDENTITY,
  node      text NOT NULL,
  kind      text NOT NULL,
  arguments jsonb NOT NULL,
  wanted_by text NOT NULL,
  wanted_at timestamptz NOT NULL,
  begun_at  timestamptz,
  done_at   timestamptz,
  outcome   text,
  detail    text,
  result    jsonb,
  CONSTRAINT pk_switch_acts PRIMARY KEY (act_id),
  CONSTRAINT ck_switch_acts_outcome CHECK (outcome IN ('done', 'refused', 'unknown')),
  CONSTRAINT ck_switch_acts_done CHECK ((done_at IS NULL) = (outcome IS NULL)),
  CONSTRAINT ck_switch_acts_detail CHECK (outcome IS NULL OR outcome = 'done' OR detail IS NOT NULL)
)
-- ----
CREATE INDEX ix_switch_acts_open ON switch_acts (node) WHERE done_at IS NULL
-- ----
-- Who did what to whom and why. Never changed, never deleted.
CREATE TABLE audit_records (
  record_id bigint GENERATED ALWAYS AS IDENTITY,
  at        timestamptz NOT NULL,
  who       text NOT NULL,
  act       text NOT NULL,
  subject   text NOT NULL,
  reason    text NOT NULL,
  detail    jsonb NOT NULL,
  CONSTRAINT pk_audit_records PRIMARY KEY (record_id),
  CONSTRAINT ck_audit_records_act CHECK (act ~ '^[a-z][a-z0-9_.]{0,59}$'),
  CONSTRAINT ck_audit_records_subject CHECK (char_length(subject) <= 200 AND is_plain_text(subject)),
  CONSTRAINT ck_audit_records_reason CHECK (char_length(reason) <= 500 AND is_plain_text(reason))
)
-- ----
CREATE INDEX ix_audit_records_subject ON audit_records (subject, record_id)
-- ----
CREATE TRIGGER audit_records_append_only BEFORE UPDATE OR DELETE ON audit_records
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
-- How each agent is now; no row: as one who just began, ready as soon as the phone is there.
-- `state` is what everybody sees; `paused`, `pause_reason` and `logged_in` are what the agent (or a
-- supervisor) wants; the rest is what the phone and the calls make of it.
CREATE TABLE agent_states (
  agent_id     text NOT NULL,
  state        text NOT NULL,
  since        timestamptz NOT NULL,
  logged_in    boolean NOT NULL DEFAULT true,
  paused       boolean NOT NULL DEFAULT false,
  pause_reason text,
  phone        text NOT NULL DEFAULT 'unknown',
  call_id      uuid,
  queue        text,
  until_at     timestamptz,
  version      integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_agent_states PRIMARY KEY (agent_id),
  CONSTRAINT fk_agent_states_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT ck_agent_states_state CHECK (state IN ('offline', 'ready', 'paused', 'ringing', 'talking',
    'holding', 'wrap_up')),
  CONSTRAINT ck_agent_states_phone CHECK (phone IN ('unknown', 'away', 'there')),
  CONSTRAINT ck_agent_states_paused CHECK (paused = (pause_reason IS NOT NULL)),
  CONSTRAINT ck_agent_states_pause_reason CHECK (pause_reason ~ '^[a-z][a-z0-9_]{0,39}$')
)
-- ----
-- The same over time: occupancy and pauses are counted from it.
CREATE TABLE agent_activity (
  activity_id bigint GENERATED ALWAYS AS IDENTITY,
  agent_id    text NOT NULL, -- kept when the agent is gone
  state       text NOT NULL,
  reason      text,
  call_id     uuid,
  queue       text,
  began_at    timestamptz NOT NULL,
  ended_at    timestamptz,
  CONSTRAINT pk_agent_activity PRIMARY KEY (activity_id),
  CONSTRAINT ck_agent_activity_state CHECK (state IN ('offline', 'ready', 'paused', 'ringing', 'talking',
    'holding', 'wrap_up')),
  CONSTRAINT ck_agent_activity_order CHECK (ended_at >= began_at)
)
-- ----
CREATE INDEX ix_agent_activity_agent ON agent_activity (agent_id, began_at)
-- ----
CREATE UNIQUE INDEX uq_agent_activity_one_open ON agent_activity (agent_id) WHERE ended_at IS NULL
