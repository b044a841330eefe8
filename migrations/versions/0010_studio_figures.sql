-- Figures of flows, callbacks. Statements are parted by "-- ----" lines.

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
