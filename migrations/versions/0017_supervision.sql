-- Supervision, quality forms, surveys. Statements are parted by "-- ----" lines.

-- A supervisor's wish to hear an agent, written with its audit record; `spying_call` is the call that
-- is placed to the supervisor's phone for it.
CREATE TABLE spyings (
  spying_call uuid NOT NULL,
  phone       text NOT NULL,
  agent       text NOT NULL,
  spied_call  uuid NOT NULL,
  mode        text NOT NULL,
  wanted_by   text NOT NULL,
  wanted_at   timestamptz NOT NULL,
  reason      text NOT NULL,
  CONSTRAINT pk_spyings PRIMARY KEY (spying_call),
  CONSTRAINT ck_spyings_mode CHECK (mode IN ('listen', 'whisper', 'join')),
  CONSTRAINT ck_spyings_not_oneself CHECK (phone <> agent),
  CONSTRAINT ck_spyings_reason CHECK (char_length(reason) BETWEEN 1 AND 500 AND is_plain_text(reason))
)
-- ----
-- What came of it: spans of one mode each, written from the journal. No keys to the wish or to calls:
-- the journal is the last witness, whatever it says can be written.
CREATE TABLE spy_spans (
  spying_call uuid NOT NULL,
  span        integer NOT NULL,
  phone       text NOT NULL,
  agent       text NOT NULL,
  spied_call  uuid NOT NULL,
  mode        text NOT NULL,
  began_at    timestamptz NOT NULL,
  ended_at    timestamptz,
  CONSTRAINT pk_spy_spans PRIMARY KEY (spying_call, span),
  CONSTRAINT ck_spy_spans_span CHECK (span >= 1),
  CONSTRAINT ck_spy_spans_mode CHECK (mode IN ('listen', 'whisper', 'join')),
  CONSTRAINT ck_spy_spans_order CHECK (ended_at >= began_at)
)
-- ----
CREATE INDEX ix_spy_spans_open ON spy_spans (agent) WHERE ended_at IS NULL
-- ----
CREATE INDEX ix_spy_spans_spied_call ON spy_spans (spied_call)
-- ----
-- An agent says of a call that it is abuse; once, never taken back, read by whoever keeps the nuisance list.
CREATE TABLE call_flags (
  call_id    uuid NOT NULL,
  kind       text NOT NULL,
  flagged_by text NOT NULL,
  flagged_at timestamptz NOT NULL,
  reason     text NOT NULL,
  CONSTRAINT pk_call_flags PRIMARY KEY (call_id, kind),
  CONSTRAINT fk_call_flags_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_call_flags_kind CHECK (kind IN ('abuse')),
  CONSTRAINT ck_call_flags_reason CHECK (char_length(reason) BETWEEN 1 AND 500 AND is_plain_text(reason))
)
-- ----
CREATE INDEX ix_call_flags_flagged_at ON call_flags (flagged_at)
-- ----
CREATE TRIGGER call_flags_append_only BEFORE UPDATE OR DELETE ON call_flags
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
-- Lines whose callers are asked after the conversation; no row: they are not.
CREATE TABLE line_surveys (
  line       text NOT NULL,
  enabled    boolean NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamptz NOT NULL,
  version    integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_line_surveys PRIMARY KEY (line),
  CONSTRAINT fk_line_surveys_line_lines FOREIGN KEY (line) REFERENCES lines ON DELETE CASCADE
)
-- ----
-- One row for each caller who was asked; an answer that is NULL was not given.
CREATE TABLE survey_answers (
  call_id     uuid NOT NULL,
  line        text NOT NULL,
  agent       text NOT NULL,
  queue       text,
  case_number text,
  language    text NOT NULL,
  asked_at    timestamptz NOT NULL,
  solved      boolean,
  satisfied   boolean,
  answered_at timestamptz,
  CONSTRAINT pk_survey_answers PRIMARY KEY (call_id),
  CONSTRAINT fk_survey_answers_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_survey_answers_answered CHECK ((answered_at IS NULL) = (solved IS NULL AND satisfied IS NULL)),
  CONSTRAINT ck_survey_answers_order CHECK (answered_at >= asked_at)
)
-- ----
CREATE INDEX ix_survey_answers_asked_at ON survey_answers (asked_at, call_id)
-- ----
CREATE INDEX ix_survey_answers_agent ON survey_answers (agent, asked_at)
-- ----
-- Forms by which recordings are scored. A version never changes: scores refer to it.
CREATE TABLE quality_forms (
  form_id    bigint GENERATED ALWAYS AS IDENTITY,
  name       text NOT NULL,
  version    integer NOT NULL,
  title      text NOT NULL,
  questions  jsonb NOT NULL,
  pass_mark  integer NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT pk_quality_forms PRIMARY KEY (form_id),
  CONSTRAINT uq_quality_forms_name UNIQUE (name, version),
  CONSTRAINT ck_quality_forms_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_quality_forms_version CHECK (version >= 1),
  CONSTRAINT ck_quality_forms_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  CONSTRAINT ck_quality_forms_questions CHECK (jsonb_typeof(questions) = 'array'
    AND jsonb_array_length(questions) BETWEEN 1 AND 50),
  CONSTRAINT ck_quality_forms_pass_mark CHECK (pass_mark BETWEEN 0 AND 100)
)
-- ----
CREATE TRIGGER quality_forms_append_only BEFORE UPDATE OR DELETE ON quality_forms
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
-- A form that is retired scores nothing any more; its versions stay to be read.
CREATE TABLE quality_retirements (
  name       text NOT NULL,
  retired_by text NOT NULL,
  retired_at timestamptz NOT NULL,
  CONSTRAINT pk_quality_retirements PRIMARY KEY (name)
)
-- ----
-- Recordings drawn to be scored: at random, per agent and week, by a seed that lets it be checked.
CREATE TABLE quality_samples (
  week         date NOT NULL,
  recording_id uuid NOT NULL,
  call_id      uuid NOT NULL,
  agent        text NOT NULL,
  seed         bigint NOT NULL,
  drawn_from   integer NOT NULL,
  drawn_by     text NOT NULL,
  drawn_at     timestamptz NOT NULL,
  CONSTRAINT pk_quality_samples PRIMARY KEY (week, recording_id),
  CONSTRAINT fk_quality_samples_recording_id_recordings FOREIGN KEY (recording_id) REFERENCES recordings,
  CONSTRAINT ck_quality_samples_monday CHECK (extract(isodow FROM week) = 1),
  CONSTRAINT ck_quality_samples_drawn_from CHECK (drawn_from >= 1)
)
-- ----
CREATE INDEX ix_quality_samples_agent ON quality_samples (agent, week)
-- ----
-- Scores. Never changed: a correction is a score of its own that names the one it corrects.
CREATE TABLE quality_scores (
  score_id     bigint GENERATED ALWAYS AS IDENTITY,
  form_id      bigint NOT NULL,
  recording_id uuid NOT NULL,
  call_id      uuid NOT NULL,
  agent        text NOT NULL,
  answers      jsonb NOT NULL,
  points       integer NOT NULL,
  most_points  integer NOT NULL,
  failed       text,
  passed       boolean NOT NULL,
  comment      text NOT NULL,
  scored_by    text NOT NULL,
  scored_at    timestamptz NOT NULL,
  corrects     bigint,
  CONSTRAINT pk_quality_scores PRIMARY KEY (score_id),
  CONSTRAINT fk_quality_scores_form_id_quality_forms FOREIGN KEY (form_id) REFERENCES quality_forms,
  CONSTRAINT fk_quality_scores_recording_id_recordings FOREIGN KEY (recording_id) REFERENCES recordings,
  CONSTRAINT fk_quality_scores_corrects_quality_scores FOREIGN KEY (corrects) REFERENCES quality_scores,
  -- Of a score there is one correction; that one may be corrected in turn.
  CONSTRAINT uq_quality_scores_corrects UNIQUE (corrects),
  CONSTRAINT ck_quality_scores_points CHECK (points BETWEEN 0 AND most_points AND most_points >= 1),
  CONSTRAINT ck_quality_scores_failed CHECK (failed IS NULL OR (points = 0 AND NOT passed)),
  CONSTRAINT ck_quality_scores_comment CHECK (char_length(comment) <= 2000)
)
-- ----
CREATE INDEX ix_quality_scores_agent ON quality_scores (agent, scored_at)
-- ----
-- A recording is scored once by a form's version; what follows are corrections.
CREATE UNIQUE INDEX uq_quality_scores_first ON quality_scores (form_id, recording_id) WHERE corrects IS NULL
-- ----
CREATE TRIGGER quality_scores_append_only BEFORE UPDATE OR DELETE ON quality_scores
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
-- What the agent says against a score: once.
CREATE TABLE quality_objections (
  score_id    bigint NOT NULL,
  text        text NOT NULL,
  objected_by text NOT NULL,
  objected_at timestamptz NOT NULL,
  CONSTRAINT pk_quality_objections PRIMARY KEY (score_id),
  CONSTRAINT fk_quality_objections_score_id_quality_scores FOREIGN KEY (score_id) REFERENCES quality_scores,
  CONSTRAINT ck_quality_objections_text CHECK (char_length(text) BETWEEN 1 AND 2000)
)
-- ----
CREATE TRIGGER quality_objections_append_only BEFORE UPDATE OR DELETE ON quality_objections
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
