-- What a line does at its door. Statements are parted by "-- ----" lines.

-- What callers are told before they are recorded. A text once published never changes: a call's
-- record says which version its caller was played.
CREATE TABLE recording_notices (
  name       text NOT NULL,
  title      text NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT pk_recording_notices PRIMARY KEY (name),
  CONSTRAINT ck_recording_notices_name CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  CONSTRAINT ck_recording_notices_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title))
)
-- ----
CREATE TABLE recording_notice_versions (
  notice       text NOT NULL,
  version      integer NOT NULL,
  words        jsonb NOT NULL,
  comment      text NOT NULL,
  published_at timestamptz NOT NULL,
  published_by text NOT NULL,
  CONSTRAINT pk_recording_notice_versions PRIMARY KEY (notice, version),
  CONSTRAINT fk_recording_notice_versions_notice_recording_notices
    FOREIGN KEY (notice) REFERENCES recording_notices,
  CONSTRAINT ck_recording_notice_versions_version CHECK (version >= 1),
  CONSTRAINT ck_recording_notice_versions_words CHECK (jsonb_typeof(words) = 'object' AND words <> '{}'),
  CONSTRAINT ck_recording_notice_versions_comment CHECK (char_length(comment) <= 1000 AND is_plain_text(comment, true)),
  CONSTRAINT ck_recording_notice_versions_by CHECK (char_length(published_by) BETWEEN 1 AND 80)
)
-- ----
CREATE TRIGGER recording_notice_versions_immutable BEFORE UPDATE OR DELETE ON recording_notice_versions
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TRIGGER recording_notice_versions_stay BEFORE TRUNCATE ON recording_notice_versions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
-- ----
CREATE TRIGGER recording_notice_versions_raise_stamp AFTER INSERT ON recording_notice_versions
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
-- The nuisance list and the priority list. Nothing is ever deleted: who was listed, why, by whom and
-- until when stays to be read. Not cached by calls (an entry ends by the clock), so without a stamp.
CREATE TABLE listed_callers (
  entry_id      bigint GENERATED ALWAYS AS IDENTITY,
  list          text NOT NULL,
  number        text NOT NULL,
  reason        text NOT NULL,
  priority      integer,
  listed_at     timestamptz NOT NULL,
  listed_by     text NOT NULL,
  expires_at    timestamptz,
  lifted_at     timestamptz,
  lifted_by     text,
  lifted_reason text,
  CONSTRAINT pk_listed_callers PRIMARY KEY (entry_id),
  CONSTRAINT ck_listed_callers_list CHECK (list IN ('blocked', 'priority')),
  CONSTRAINT ck_listed_callers_number CHECK (number ~ '^[+]?[0-9]{2,16}$'),
  CONSTRAINT ck_listed_callers_reason CHECK (char_length(reason) BETWEEN 1 AND 500 AND is_plain_text(reason)),
  CONSTRAINT ck_listed_callers_priority CHECK (CASE list WHEN 'priority' THEN coalesce(priority BETWEEN 1 AND 20, false)
    ELSE priority IS NULL END),
  CONSTRAINT ck_listed_callers_by CHECK (char_length(listed_by) BETWEEN 1 AND 80),
  -- Nobody is shut out for good.
  CONSTRAINT ck_listed_callers_blocked_until CHECK (list <> 'blocked'
    OR coalesce(expires_at <= listed_at + interval '366 days', false)),
  CONSTRAINT ck_listed_callers_order CHECK (expires_at > listed_at AND lifted_at >= listed_at),
  CONSTRAINT ck_listed_callers_lifted CHECK (num_nulls(lifted_at, lifted_by, lifted_reason) IN (0, 3)),
  CONSTRAINT ck_listed_callers_lifted_by CHECK (char_length(lifted_by) BETWEEN 1 AND 80),
  CONSTRAINT ck_listed_callers_lifted_reason CHECK (char_length(lifted_reason) BETWEEN 1 AND 500 AND is_plain_text(lifted_reason))
)
-- ----
-- What each call asks: is this number on a list?
CREATE INDEX ix_listed_callers_number ON listed_callers (number) WHERE lifted_at IS NULL
-- ----
CREATE INDEX ix_listed_callers_list ON listed_callers (list, entry_id)
-- ----
CREATE FUNCTION only_lift_listed_caller() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.lifted_at IS NOT NULL
     OR (NEW.entry_id, NEW.list, NEW.number, NEW.reason, NEW.listed_at, NEW.listed_by)
        IS DISTINCT FROM (OLD.entry_id, OLD.list, OLD.number, OLD.reason, OLD.listed_at, OLD.listed_by)
     OR NEW.priority IS DISTINCT FROM OLD.priority OR NEW.expires_at IS DISTINCT FROM OLD.expires_at THEN
    RAISE EXCEPTION 'an entry of a list can be lifted, once, and nothing else' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
-- ----
CREATE TRIGGER listed_callers_only_lift BEFORE UPDATE ON listed_callers
  FOR EACH ROW EXECUTE FUNCTION only_lift_listed_caller()
-- ----
CREATE TRIGGER listed_callers_stay BEFORE DELETE ON listed_callers
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
ALTER TABLE lines
  DROP CONSTRAINT ck_lines_mode,
  ADD COLUMN schedule text CONSTRAINT fk_lines_schedule_schedules REFERENCES schedules (name),
  ADD COLUMN closed_to text NOT NULL DEFAULT 'voicemail',
  ADD COLUMN closed_say jsonb,
  ADD COLUMN welcome jsonb,
  ADD COLUMN recording_notice text,
  ADD COLUMN emergency_key text NOT NULL DEFAULT '0',
  ADD CONSTRAINT ck_lines_mode CHECK (mode IN ('menu', 'direct', 'fax')),
  ADD CONSTRAINT fk_lines_recording_notice_recording_notices
    FOREIGN KEY (recording_notice) REFERENCES recording_notices,
  ADD CONSTRAINT ck_lines_closed_to CHECK (closed_to IN ('voicemail', 'flow', 'hangup')),
  -- Nobody is hung up on without a word; a flow has its own.
  ADD CONSTRAINT ck_lines_closed_say CHECK (CASE closed_to WHEN 'hangup' THEN closed_say IS NOT NULL
    WHEN 'flow' THEN closed_say IS NULL ELSE true END),
  ADD CONSTRAINT ck_lines_spoken CHECK (
    (welcome IS NULL OR (jsonb_typeof(welcome) = 'object' AND welcome <> '{}'))
    AND (closed_say IS NULL OR (jsonb_typeof(closed_say) = 'object' AND closed_say <> '{}'))),
  ADD CONSTRAINT ck_lines_emergency_key CHECK (emergency_key ~ '^[0-9]$')
-- ----
-- What the fold makes of the journal. `priority_entry` names a row of listed_callers; no foreign key:
-- the journal is the last witness, whatever it says can be written.
ALTER TABLE calls
  ADD COLUMN recording_notice text,
  ADD COLUMN recording_notice_version integer,
  ADD COLUMN priority integer,
  ADD COLUMN priority_entry bigint,
  ADD CONSTRAINT ck_calls_recording_notice
    CHECK (num_nulls(recording_notice, recording_notice_version) IN (0, 2)) NOT VALID,
  ADD CONSTRAINT ck_calls_priority CHECK (priority BETWEEN 1 AND 20) NOT VALID
-- ----
ALTER TABLE calls VALIDATE CONSTRAINT ck_calls_recording_notice
-- ----
ALTER TABLE calls VALIDATE CONSTRAINT ck_calls_priority
