-- Figures of flows, callbacks. Statements are parted by "-- ----" lines.

-- Wishes to be called back, taken down in a flow.
CREATE TABLE callbacks (
  callback_id uuid NOT NULL,
  call_id     uuid NOT NULL,
  queue       text NOT NULL,
  number      text NOT NULL,
  language    text NOT NULL,
  wanted_at   timestamptz NOT NULL,
  state       text NOT NULL DEFAULT 'waiting',
  outcome     text,
  note        text NOT NULL DEFAULT '',
  done_at     timestamptz,
  done_by     text,
  CONSTRAINT pk_callbacks PRIMARY KEY (callback_id),
  CONSTRAINT uq_callbacks_call_id UNIQUE (call_id),
  CONSTRAINT fk_callbacks_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT fk_callbacks_queue_queues FOREIGN KEY (queue) REFERENCES queues,
  CONSTRAINT ck_callbacks_number CHECK (number ~ '^[+]?[0-9]{5,16}$'),
  CONSTRAINT ck_callbacks_language CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ck_callbacks_state CHECK (state IN ('waiting', 'done')),
  CONSTRAINT ck_callbacks_outcome CHECK (outcome IN ('reached', 'not_reached', 'withdrawn')),
  CONSTRAINT ck_callbacks_note CHECK (char_length(note) <= 1000 AND is_plain_text(note, true)),
  CONSTRAINT ck_callbacks_done CHECK ((state = 'done') = (done_at IS NOT NULL AND done_by IS NOT NULL
    AND outcome IS NOT NULL)),
  CONSTRAINT ck_callbacks_order CHECK (done_at >= wanted_at)
)
-- ----
CREATE INDEX ix_callbacks_waiting ON callbacks (wanted_at) WHERE state = 'waiting'
-- ----
-- Figures and replays look for the calls of one version. While it is built, rows of calls wait;
-- callers do not: the journal keeps what is to be written.
CREATE INDEX ix_calls_ivr_flow ON calls (ivr_flow, ivr_version, started_at)
-- ----
-- Case progress by phone (room cases) ----------------------------------------------------------
-- Each try to hear how a case stands: the guard against guessing, and the audit of what was told.
-- A number that names no case is not kept. Rows never change; retention may delete old ones.
CREATE TABLE case_progress_tries (
  try_id        bigint GENERATED ALWAYS AS IDENTITY,
  at            timestamptz NOT NULL,
  case_number   text,
  caller_number text,
  call_id       uuid,
  outcome       text NOT NULL,
  CONSTRAINT pk_case_progress_tries PRIMARY KEY (try_id),
  CONSTRAINT fk_case_progress_tries_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  CONSTRAINT ck_case_progress_tries_outcome CHECK (outcome IN ('told', 'failed', 'locked')),
  CONSTRAINT ck_case_progress_tries_case CHECK (outcome = 'failed' OR case_number IS NOT NULL),
  CONSTRAINT ck_case_progress_tries_caller CHECK (caller_number ~ '^[+]?[0-9]{2,32}$')
)
-- ----
CREATE INDEX ix_case_progress_tries_case_number_at ON case_progress_tries (case_number, at)
-- ----
CREATE INDEX ix_case_progress_tries_failed ON case_progress_tries (caller_number, at) WHERE outcome = 'failed'
-- ----
CREATE TRIGGER case_progress_tries_stay_as_they_are BEFORE UPDATE ON case_progress_tries
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- End of case progress by phone ----------------------------------------------------------------
