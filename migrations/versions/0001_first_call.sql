-- Rules stand twice: in each room's model.py and here. Statements are parted by "-- ----" lines.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
-- ----
-- No control characters; with `lines`, line ends may stand in it. (NUL cannot be stored at all.)
CREATE FUNCTION is_plain_text(value text, lines boolean DEFAULT false) RETURNS boolean
  LANGUAGE sql IMMUTABLE STRICT
  RETURN (CASE WHEN lines THEN replace(value, E'\n', '') ELSE value END) !~ '[\u0001-\u001f\u007f-\u009f]'
-- ----
-- News: the NOTIFY leaves with the commit of the row it tells of.
CREATE TABLE outbox (
  news_id bigint GENERATED ALWAYS AS IDENTITY,
  topic   text NOT NULL,
  key     text NOT NULL,
  payload jsonb NOT NULL,
  at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pk_outbox PRIMARY KEY (news_id),
  CONSTRAINT ck_outbox_names CHECK (topic ~ '^[a-z_]{1,40}$' AND key ~ '^[A-Za-z0-9_.+:-]{1,120}$')
)
-- ----
CREATE INDEX ix_outbox_at ON outbox (at)
-- ----
CREATE FUNCTION tell_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('callcenter_news', NEW.news_id || ' ' || NEW.topic || ' ' || NEW.key);
  RETURN NULL;
END $$
-- ----
CREATE TRIGGER tell_news AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION tell_news()
-- ----
-- Access -------------------------------------------------------------------------------------
CREATE TABLE users (
  user_id       uuid NOT NULL,
  name          text NOT NULL,
  password_hash text NOT NULL,
  role          text NOT NULL,
  active        boolean NOT NULL DEFAULT true,
  created_at    timestamptz NOT NULL,
  version       integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_users PRIMARY KEY (user_id),
  CONSTRAINT uq_users_name UNIQUE (name),
  CONSTRAINT ck_users_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  CONSTRAINT ck_users_role CHECK (role IN ('admin', 'supervisor', 'agent')),
  CONSTRAINT ck_users_password_hash CHECK (password_hash LIKE '$argon2id$%'),
  CONSTRAINT ck_users_version CHECK (version >= 1)
)
-- ----
CREATE TABLE access_tokens (
  token_hash bytea NOT NULL,
  user_id    uuid NOT NULL,
  issued_at  timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  CONSTRAINT pk_access_tokens PRIMARY KEY (token_hash),
  CONSTRAINT fk_access_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES users,
  CONSTRAINT ck_access_tokens_hash CHECK (octet_length(token_hash) = 32),
  CONSTRAINT ck_access_tokens_lifetime CHECK (expires_at > issued_at)
)
-- ----
CREATE INDEX ix_access_tokens_user_id ON access_tokens (user_id)
-- ----
CREATE TABLE login_failures (
  failure_id bigint GENERATED ALWAYS AS IDENTITY,
  name       text NOT NULL,
  at         timestamptz NOT NULL,
  CONSTRAINT pk_login_failures PRIMARY KEY (failure_id)
)
-- ----
CREATE INDEX ix_login_failures_name ON login_failures (name, at)
-- ----
CREATE INDEX ix_login_failures_at ON login_failures (at)
-- ----
-- Queues and agents --------------------------------------------------------------------------
CREATE TABLE queues (
  name         text NOT NULL,
  title        text NOT NULL,
  strategy     text NOT NULL DEFAULT 'rrmemory',
  ring_seconds integer NOT NULL DEFAULT 15,
  is_default   boolean NOT NULL DEFAULT false,
  version      integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_queues PRIMARY KEY (name),
  CONSTRAINT ck_queues_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_queues_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_queues_strategy CHECK (strategy IN
    ('ringall', 'leastrecent', 'fewestcalls', 'random', 'rrmemory', 'rrordered', 'linear', 'wrandom')),
  CONSTRAINT ck_queues_ring_seconds CHECK (ring_seconds BETWEEN 3 AND 120)
)
-- ----
CREATE UNIQUE INDEX uq_queues_one_default ON queues (is_default) WHERE is_default
-- ----
CREATE TABLE agents (
  agent_id   text NOT NULL,
  name       text NOT NULL,
  sip_digest text NOT NULL,
  active     boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL,
  version    integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_agents PRIMARY KEY (agent_id),
  CONSTRAINT ck_agents_agent_id CHECK (agent_id ~ '^[1-9][0-9]{2,5}$'),
  CONSTRAINT ck_agents_name CHECK (char_length(name) BETWEEN 1 AND 100 AND is_plain_text(name)),
  CONSTRAINT ck_agents_sip_digest CHECK (sip_digest ~ '^[0-9a-f]{32}$')
)
-- ----
CREATE TABLE queue_members (
  queue    text NOT NULL,
  agent_id text NOT NULL,
  penalty  integer NOT NULL DEFAULT 0,
  CONSTRAINT pk_queue_members PRIMARY KEY (queue, agent_id),
  CONSTRAINT fk_queue_members_queue_queues FOREIGN KEY (queue) REFERENCES queues,
  CONSTRAINT fk_queue_members_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents,
  CONSTRAINT ck_queue_members_penalty CHECK (penalty BETWEEN 0 AND 100)
)
-- ----
-- Flows and lines ----------------------------------------------------------------------------
CREATE TABLE ivr_flows (
  name           text NOT NULL,
  title          text NOT NULL,
  draft          json, -- not jsonb: nodes stay in the order they were written in
  draft_version  integer NOT NULL DEFAULT 1,
  draft_edited_at timestamptz,
  draft_edited_by text,
  active_version integer,
  created_at     timestamptz NOT NULL,
  CONSTRAINT pk_ivr_flows PRIMARY KEY (name),
  CONSTRAINT ck_ivr_flows_name CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  CONSTRAINT ck_ivr_flows_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_ivr_flows_draft_version CHECK (draft_version >= 1)
)
-- ----
CREATE TABLE ivr_versions (
  flow         text NOT NULL,
  version      integer NOT NULL,
  definition   json NOT NULL,
  comment      text NOT NULL,
  published_at timestamptz NOT NULL,
  published_by text NOT NULL,
  CONSTRAINT pk_ivr_versions PRIMARY KEY (flow, version),
  CONSTRAINT fk_ivr_versions_flow_ivr_flows FOREIGN KEY (flow) REFERENCES ivr_flows,
  CONSTRAINT ck_ivr_versions_version CHECK (version >= 1),
  CONSTRAINT ck_ivr_versions_comment CHECK (char_length(comment) <= 1000)
)
-- ----
CREATE TRIGGER ivr_versions_immutable BEFORE UPDATE OR DELETE ON ivr_versions
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
ALTER TABLE ivr_flows ADD CONSTRAINT fk_ivr_flows_active_version_ivr_versions
  FOREIGN KEY (name, active_version) REFERENCES ivr_versions (flow, version)
-- ----
CREATE TABLE lines (
  number   text NOT NULL,
  title    text NOT NULL,
  flow     text NOT NULL,
  queue    text NOT NULL,
  language text NOT NULL,
  mode     text NOT NULL DEFAULT 'menu',
  version  integer NOT NULL DEFAULT 1,
  in_force_version integer,
  CONSTRAINT pk_lines PRIMARY KEY (number),
  CONSTRAINT fk_lines_flow_ivr_flows FOREIGN KEY (flow) REFERENCES ivr_flows,
  CONSTRAINT fk_lines_queue_queues FOREIGN KEY (queue) REFERENCES queues,
  CONSTRAINT ck_lines_number CHECK (number ~ '^[+]?[0-9]{2,15}$'),
  CONSTRAINT ck_lines_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_lines_language CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ck_lines_mode CHECK (mode IN ('menu', 'direct')),
  CONSTRAINT ck_lines_in_force CHECK (in_force_version IS NULL OR in_force_version <= version)
)
-- ----
-- The switch: what we asked Asterisk to load, and what it was seen to have loaded ----------------
CREATE TABLE switch_changes (
  change_id  bigint GENERATED ALWAYS AS IDENTITY,
  node       text NOT NULL,
  subject    text NOT NULL,
  wanted_at  timestamptz NOT NULL,
  done_at    timestamptz,
  in_force   boolean,
  detail     text,
  CONSTRAINT pk_switch_changes PRIMARY KEY (change_id),
  CONSTRAINT ck_switch_changes_outcome CHECK ((done_at IS NULL) = (in_force IS NULL)),
  CONSTRAINT ck_switch_changes_reason CHECK (in_force IS DISTINCT FROM false OR detail IS NOT NULL)
)
-- ----
CREATE INDEX ix_switch_changes_open ON switch_changes (node) WHERE done_at IS NULL
-- ----
CREATE TABLE node_status (
  node         text NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  report       jsonb NOT NULL,
  CONSTRAINT pk_node_status PRIMARY KEY (node)
)
-- ----
-- Calls --------------------------------------------------------------------------------------
CREATE TABLE calls (
  call_id           uuid NOT NULL,
  node              text NOT NULL,
  linkedid          text NOT NULL,
  uniqueid          text NOT NULL,
  direction         text NOT NULL,
  line              text,
  caller_number     text,
  caller_name       text,
  caller_withheld   boolean NOT NULL DEFAULT false,
  caller_number_source text NOT NULL DEFAULT 'unknown',
  dialled_number    text,
  language          text,
  state             text NOT NULL,
  disposition       text,
  started_at        timestamptz NOT NULL,
  answered_at       timestamptz,
  queued_at         timestamptz,
  agent_answered_at timestamptz,
  ended_at          timestamptz,
  hangup_by         text,
  queue             text,
  agent             text,
  ivr_flow          text,
  ivr_version       integer,
  ivr_path          jsonb NOT NULL DEFAULT '[]',
  merged_into       uuid,
  CONSTRAINT pk_calls PRIMARY KEY (call_id),
  CONSTRAINT fk_calls_merged_into_calls FOREIGN KEY (merged_into) REFERENCES calls,
  CONSTRAINT ck_calls_direction CHECK (direction IN ('inbound', 'internal', 'outbound')),
  CONSTRAINT ck_calls_state CHECK (state IN ('ringing', 'in_menu', 'queued', 'talking', 'leaving_message', 'ended')),
  CONSTRAINT ck_calls_disposition CHECK (disposition IN ('answered', 'abandoned', 'self_served',
    'voicemail', 'fax', 'callback_requested', 'overflowed', 'blocked', 'failed')),
  CONSTRAINT ck_calls_ended CHECK ((state = 'ended') = (ended_at IS NOT NULL)
    AND (ended_at IS NULL) = (disposition IS NULL)),
  CONSTRAINT ck_calls_hangup_by CHECK (hangup_by IS NULL OR (hangup_by IN ('caller', 'agent', 'system') AND ended_at IS NOT NULL)),
  CONSTRAINT ck_calls_withheld CHECK (NOT caller_withheld OR caller_number IS NULL),
  CONSTRAINT ck_calls_number_source CHECK (caller_number_source IN ('pai', 'from', 'withheld', 'unknown')),
  CONSTRAINT ck_calls_agent CHECK (agent_answered_at IS NULL OR agent IS NOT NULL),
  CONSTRAINT ck_calls_order CHECK (
    answered_at >= started_at AND queued_at >= started_at
    AND agent_answered_at >= started_at AND ended_at >= started_at)
)
-- ----
-- Not unique: Asterisk's uniqueids can repeat after a restart, our UUID is the identity.
CREATE INDEX ix_calls_node_uniqueid ON calls (node, uniqueid)
-- ----
CREATE INDEX ix_calls_started_at ON calls (started_at DESC, call_id)
-- ----
CREATE INDEX ix_calls_open ON calls (node) WHERE ended_at IS NULL
-- ----
CREATE INDEX ix_calls_caller_number ON calls (caller_number, started_at DESC)
-- ----
CREATE TABLE call_linkedids (
  node     text NOT NULL,
  linkedid text NOT NULL,
  call_id  uuid NOT NULL,
  CONSTRAINT pk_call_linkedids PRIMARY KEY (node, linkedid, call_id),
  CONSTRAINT fk_call_linkedids_call_id_calls FOREIGN KEY (call_id) REFERENCES calls
)
-- ----
CREATE INDEX ix_call_linkedids_call_id ON call_linkedids (call_id)
-- ----
CREATE TABLE call_legs (
  call_id      uuid NOT NULL,
  uniqueid     text NOT NULL,
  node         text NOT NULL,
  channel      text NOT NULL,
  role         text NOT NULL,
  agent        text,
  started_at   timestamptz NOT NULL,
  answered_at  timestamptz,
  ended_at     timestamptz,
  hangup_cause integer,
  CONSTRAINT pk_call_legs PRIMARY KEY (call_id, uniqueid),
  CONSTRAINT fk_call_legs_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_call_legs_role CHECK (role IN ('citizen', 'agent', 'other')),
  CONSTRAINT ck_call_legs_agent CHECK (role <> 'agent' OR agent IS NOT NULL),
  CONSTRAINT ck_call_legs_order CHECK (answered_at >= started_at AND ended_at >= started_at)
)
-- ----
CREATE INDEX ix_call_legs_node_uniqueid ON call_legs (node, uniqueid)
-- ----
CREATE TABLE call_events (
  event_id  bigint GENERATED ALWAYS AS IDENTITY,
  node      text NOT NULL,
  event_key bytea NOT NULL,
  call_id   uuid NOT NULL,
  at        timestamptz NOT NULL,
  kind      text NOT NULL,
  uniqueid  text NOT NULL,
  linkedid  text NOT NULL,
  detail    jsonb NOT NULL,
  CONSTRAINT pk_call_events PRIMARY KEY (event_id),
  CONSTRAINT uq_call_events_node_event_key UNIQUE (node, event_key),
  CONSTRAINT fk_call_events_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_call_events_event_key CHECK (octet_length(event_key) = 16)
)
-- ----
CREATE INDEX ix_call_events_call_id ON call_events (call_id, event_id)
-- ----
CREATE TRIGGER call_events_append_only BEFORE UPDATE OR DELETE ON call_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TABLE journal_positions (
  node         text NOT NULL,
  segment      bigint NOT NULL,
  offset_bytes bigint NOT NULL,
  read_at      timestamptz NOT NULL,
  CONSTRAINT pk_journal_positions PRIMARY KEY (node),
  CONSTRAINT ck_journal_positions_offset CHECK (offset_bytes >= 0)
)
-- ----
CREATE TABLE journal_rejects (
  reject_id bigint GENERATED ALWAYS AS IDENTITY,
  node      text NOT NULL,
  line_key  bytea NOT NULL,
  at        timestamptz NOT NULL,
  rule      text NOT NULL,
  line      text NOT NULL,
  CONSTRAINT pk_journal_rejects PRIMARY KEY (reject_id),
  CONSTRAINT uq_journal_rejects_node_line_key UNIQUE (node, line_key)
)
-- ----
-- Cases --------------------------------------------------------------------------------------
-- ISO 7064 MOD 11,10: catches every single wrong digit and nearly every swap of neighbours.
CREATE FUNCTION case_number_is_valid(number text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  product integer := 10;
  total   integer;
BEGIN
  IF number !~ '^[0-9]{10}$' THEN RETURN false; END IF;
  FOR place IN 1..9 LOOP
    total := (product + substr(number, place, 1)::integer) % 10;
    IF total = 0 THEN total := 10; END IF;
    product := (total * 2) % 11;
  END LOOP;
  RETURN (product + substr(number, 10, 1)::integer) % 10 = 1;
END $$
-- ----
CREATE SEQUENCE case_serial AS bigint MINVALUE 1 MAXVALUE 9999999 CYCLE
-- ----
CREATE TABLE cases (
  case_number    text NOT NULL,
  title          text NOT NULL,
  citizen_words  text NOT NULL DEFAULT '',
  category       text NOT NULL DEFAULT '',
  state          text NOT NULL DEFAULT 'open',
  origin_call_id uuid,
  opened_at      timestamptz NOT NULL,
  opened_by      text NOT NULL,
  closed_at      timestamptz,
  version        integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_cases PRIMARY KEY (case_number),
  CONSTRAINT uq_cases_origin_call_id UNIQUE (origin_call_id),
  CONSTRAINT fk_cases_origin_call_id_calls FOREIGN KEY (origin_call_id) REFERENCES calls,
  CONSTRAINT ck_cases_case_number CHECK (case_number_is_valid(case_number)),
  CONSTRAINT ck_cases_title CHECK (char_length(title) BETWEEN 1 AND 200 AND is_plain_text(title)),
  CONSTRAINT ck_cases_citizen_words CHECK (char_length(citizen_words) <= 4000 AND is_plain_text(citizen_words, true)),
  CONSTRAINT ck_cases_category CHECK (char_length(category) <= 100 AND is_plain_text(category)),
  CONSTRAINT ck_cases_opened_by CHECK (char_length(opened_by) BETWEEN 1 AND 80 AND is_plain_text(opened_by)),
  CONSTRAINT ck_cases_version CHECK (version >= 1),
  CONSTRAINT ck_cases_state CHECK (state IN ('open', 'closed')),
  CONSTRAINT ck_cases_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
  CONSTRAINT ck_cases_order CHECK (closed_at >= opened_at)
)
-- ----
CREATE INDEX ix_cases_opened_at ON cases (opened_at DESC, case_number)
-- ----
CREATE INDEX ix_cases_unclosed ON cases (state) WHERE state <> 'closed'
-- ----
CREATE INDEX ix_cases_closed_at ON cases (closed_at) WHERE closed_at IS NOT NULL
-- ----
-- Where a case came from never changes, and each change is one version.
CREATE FUNCTION keep_case_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.case_number, NEW.opened_at, NEW.opened_by) IS DISTINCT FROM
     (OLD.case_number, OLD.opened_at, OLD.opened_by)
     OR NEW.origin_call_id IS DISTINCT FROM OLD.origin_call_id THEN
    RAISE EXCEPTION 'number, opening and origin of a case never change' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.version <> OLD.version + 1 THEN
    RAISE EXCEPTION 'each change of a case raises its version by one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
-- ----
CREATE TRIGGER cases_keep_origin BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION keep_case_origin()
-- ----
CREATE TRIGGER cases_stay BEFORE DELETE ON cases FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TABLE case_calls (
  case_number text NOT NULL,
  call_id     uuid NOT NULL,
  relation    text NOT NULL,
  linked_at   timestamptz NOT NULL,
  CONSTRAINT pk_case_calls PRIMARY KEY (case_number, call_id),
  CONSTRAINT fk_case_calls_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT fk_case_calls_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_case_calls_relation CHECK (relation IN ('origin', 'linked'))
)
-- ----
CREATE INDEX ix_case_calls_call_id ON case_calls (call_id)
-- ----
CREATE UNIQUE INDEX uq_case_calls_one_origin ON case_calls (case_number) WHERE relation = 'origin'
-- ----
CREATE TABLE case_events (
  case_number text NOT NULL,
  seq         integer NOT NULL,
  at          timestamptz NOT NULL,
  actor       text NOT NULL,
  kind        text NOT NULL,
  detail      jsonb NOT NULL,
  CONSTRAINT pk_case_events PRIMARY KEY (case_number, seq),
  CONSTRAINT fk_case_events_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT ck_case_events_seq CHECK (seq >= 1),
  CONSTRAINT ck_case_events_kind CHECK (kind IN ('opened', 'edited', 'note_added', 'call_linked', 'closed', 'reopened')),
  CONSTRAINT ck_case_events_first CHECK ((seq = 1) = (kind = 'opened')),
  CONSTRAINT ck_case_events_actor CHECK (char_length(actor) BETWEEN 1 AND 80 AND is_plain_text(actor)),
  CONSTRAINT ck_case_events_detail CHECK (jsonb_typeof(detail) = 'object'),
  CONSTRAINT ck_case_events_note CHECK (kind <> 'note_added'
    OR coalesce(char_length(detail ->> 'text') BETWEEN 1 AND 4000 AND is_plain_text(detail ->> 'text', true), false)),
  CONSTRAINT ck_case_events_reason CHECK (kind NOT IN ('closed', 'reopened')
    OR coalesce(char_length(detail ->> 'reason') BETWEEN 1 AND 1000 AND is_plain_text(detail ->> 'reason', true), false)),
  CONSTRAINT ck_case_events_call CHECK (kind <> 'call_linked' OR detail ? 'call_id')
)
-- ----
CREATE TRIGGER case_events_append_only BEFORE UPDATE OR DELETE ON case_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TRIGGER case_events_stay BEFORE TRUNCATE ON case_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
-- ----
-- Recordings ---------------------------------------------------------------------------------
CREATE TABLE recordings (
  recording_id  uuid NOT NULL,
  call_id       uuid NOT NULL,
  kind          text NOT NULL,
  name          text NOT NULL,
  state         text NOT NULL,
  reason        text,
  started_at    timestamptz NOT NULL,
  file          text,
  duration_ms   bigint,
  sample_rate   integer,
  channels      integer,
  bytes         bigint,
  peak          double precision,
  silence_ratio double precision,
  sha256        text,
  sealed_at     timestamptz,
  verified_at   timestamptz,
  repaired      boolean NOT NULL DEFAULT false,
  note          text,
  CONSTRAINT pk_recordings PRIMARY KEY (recording_id),
  CONSTRAINT uq_recordings_name UNIQUE (name),
  CONSTRAINT fk_recordings_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_recordings_kind CHECK (kind IN ('conversation', 'voicemail')),
  CONSTRAINT ck_recordings_name CHECK (name ~ '^[0-9a-f-]{36}(-[a-z0-9]+)*$'),
  CONSTRAINT ck_recordings_state CHECK (state IN ('recording', 'pending', 'ready', 'missing', 'damaged')),
  CONSTRAINT ck_recordings_reason CHECK ((state IN ('missing', 'damaged')) = (reason IS NOT NULL)),
  CONSTRAINT ck_recordings_sealed CHECK (state <> 'ready' OR (file IS NOT NULL AND duration_ms > 0
    AND sample_rate > 0 AND channels IN (1, 2) AND bytes > 44 AND peak BETWEEN 0 AND 1
    AND silence_ratio BETWEEN 0 AND 1 AND sha256 ~ '^[0-9a-f]{64}$' AND sealed_at IS NOT NULL))
)
-- ----
CREATE INDEX ix_recordings_call_id ON recordings (call_id)
-- ----
CREATE INDEX ix_recordings_unfinished ON recordings (started_at) WHERE state IN ('recording', 'pending')
