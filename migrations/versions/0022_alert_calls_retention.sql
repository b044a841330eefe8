-- Alerts that ring phones; retention. Statements are parted by "-- ----" lines.

-- Whether alerts of the rota call people, and where somebody is called in a turn instead of at the desk.
ALTER TABLE rotas ADD COLUMN rings boolean NOT NULL DEFAULT true
-- ----
ALTER TABLE rota_turns ADD COLUMN phone_number text,
  ADD CONSTRAINT ck_rota_turns_phone_number CHECK (phone_number ~ '^\+[1-9][0-9]{4,14}$')
-- ----
-- Each call by which somebody is told of an alert: written before Asterisk is asked for it, once.
CREATE TABLE alert_calls (
  call_id      uuid NOT NULL, -- of ours; in `calls` as soon as the journal tells of it
  alert_id     uuid NOT NULL,
  attempt      integer NOT NULL,
  agent_id     text NOT NULL, -- kept when the agent is gone
  level        integer NOT NULL,
  phone_number text, -- through the trunk; null: the agent's own phone
  node         text NOT NULL,
  placed_at    timestamptz NOT NULL,
  heard_at     timestamptz,
  ended_at     timestamptz,
  outcome      text,
  CONSTRAINT pk_alert_calls PRIMARY KEY (call_id),
  CONSTRAINT uq_alert_calls_alert_id_attempt UNIQUE (alert_id, attempt),
  CONSTRAINT fk_alert_calls_alert_id_alerts FOREIGN KEY (alert_id) REFERENCES alerts,
  CONSTRAINT ck_alert_calls_attempt CHECK (attempt >= 1),
  CONSTRAINT ck_alert_calls_level CHECK (level BETWEEN 1 AND 5),
  CONSTRAINT ck_alert_calls_phone_number CHECK (phone_number ~ '^\+[1-9][0-9]{4,14}$'),
  CONSTRAINT ck_alert_calls_ended CHECK ((ended_at IS NULL) = (outcome IS NULL)),
  CONSTRAINT ck_alert_calls_order CHECK (heard_at >= placed_at AND ended_at >= placed_at),
  CONSTRAINT ck_alert_calls_outcome CHECK (outcome IN
    ('acknowledged', 'too_late', 'heard', 'no_answer', 'not_there', 'lost'))
)
-- ----
-- Nobody is called twice at once for one alert.
CREATE UNIQUE INDEX uq_alert_calls_one_open ON alert_calls (alert_id, agent_id) WHERE ended_at IS NULL
-- ----
CREATE INDEX ix_alert_calls_open ON alert_calls (node) WHERE ended_at IS NULL
-- ----
-- As refuse_change(), but for a transaction that says it deletes what is old (bootstrap/retention.py).
CREATE FUNCTION refuse_change_unless_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('callcenter.retention', true) = 'on' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
-- ----
CREATE OR REPLACE TRIGGER call_flags_append_only BEFORE UPDATE OR DELETE ON call_flags
  FOR EACH ROW EXECUTE FUNCTION refuse_change_unless_old()
-- ----
CREATE OR REPLACE TRIGGER quality_scores_append_only BEFORE UPDATE OR DELETE ON quality_scores
  FOR EACH ROW EXECUTE FUNCTION refuse_change_unless_old()
-- ----
CREATE OR REPLACE TRIGGER quality_objections_append_only BEFORE UPDATE OR DELETE ON quality_objections
  FOR EACH ROW EXECUTE FUNCTION refuse_change_unless_old()
-- ----
-- What is old is looked for by these.
CREATE INDEX ix_quality_scores_scored_at ON quality_scores (scored_at)
