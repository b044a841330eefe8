-- Messages to be worked off. Statements are parted by "-- ----" lines.

-- When somebody must have dealt with the case; no deadline was promised for those there are.
ALTER TABLE cases ADD COLUMN due_at timestamptz
-- ----
-- One row for each call that left a message. What is said stays in the recording; nothing of a
-- row's beginning ever changes, only the take that counts until its file is finished.
CREATE TABLE messages (
  call_id      uuid NOT NULL,
  case_number  text NOT NULL,
  line         text,
  queue        text,
  language     text,
  reason       text NOT NULL,
  recording_id uuid NOT NULL,
  left_at      timestamptz NOT NULL,
  length_ms    bigint,
  due_at       timestamptz NOT NULL,
  state        text NOT NULL DEFAULT 'new',
  taken_by     text,
  taken_at     timestamptz,
  done_by      text,
  done_at      timestamptz,
  outcome      text,
  note         text,
  CONSTRAINT pk_messages PRIMARY KEY (call_id),
  CONSTRAINT fk_messages_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT fk_messages_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT fk_messages_recording_id_recordings FOREIGN KEY (recording_id) REFERENCES recordings,
  CONSTRAINT ck_messages_reason CHECK (reason IN ('closed', 'overflow', 'no_agents', 'failure', 'choice')),
  CONSTRAINT ck_messages_length_ms CHECK (length_ms > 0),
  CONSTRAINT ck_messages_due_at CHECK (due_at > left_at),
  CONSTRAINT ck_messages_state CHECK (state IN ('new', 'taken', 'done', 'empty')),
  CONSTRAINT ck_messages_taken CHECK ((state IN ('taken', 'done')) = (taken_by IS NOT NULL)
    AND (taken_by IS NULL) = (taken_at IS NULL)),
  -- An empty one is done with as well: nobody has to do anything.
  CONSTRAINT ck_messages_done CHECK ((state IN ('done', 'empty')) = (done_at IS NOT NULL)
    AND (done_by IS NULL) = (done_at IS NULL) AND (state = 'done') = (outcome IS NOT NULL)),
  CONSTRAINT ck_messages_outcome CHECK (outcome IN ('reached', 'not_reached', 'no_callback_needed')),
  CONSTRAINT ck_messages_note CHECK (state = 'done' OR note IS NULL),
  CONSTRAINT ck_messages_note_text CHECK (char_length(note) <= 2000 AND is_plain_text(note, true)),
  CONSTRAINT ck_messages_taken_by CHECK (char_length(taken_by) BETWEEN 1 AND 80 AND is_plain_text(taken_by)),
  CONSTRAINT ck_messages_done_by CHECK (char_length(done_by) BETWEEN 1 AND 80 AND is_plain_text(done_by))
)
-- ----
CREATE INDEX ix_messages_case_number ON messages (case_number)
-- ----
CREATE INDEX ix_messages_due ON messages (due_at, call_id)
-- ----
CREATE INDEX ix_messages_open ON messages (due_at, call_id) WHERE done_at IS NULL
-- ----
CREATE FUNCTION keep_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.call_id, NEW.case_number, NEW.reason, NEW.left_at, NEW.due_at) IS DISTINCT FROM
     (OLD.call_id, OLD.case_number, OLD.reason, OLD.left_at, OLD.due_at) THEN
    RAISE EXCEPTION 'a message keeps its call, case, reason and deadline' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
-- ----
CREATE TRIGGER messages_keep BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION keep_message()
-- ----
CREATE TRIGGER messages_stay BEFORE DELETE ON messages FOR EACH ROW EXECUTE FUNCTION refuse_change()
