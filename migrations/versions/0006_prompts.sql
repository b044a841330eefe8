-- The prompt library. Statements are parted by "-- ----" lines.

CREATE TABLE prompts (
  name       text NOT NULL,
  title      text NOT NULL,
  texts      jsonb NOT NULL,
  is_shipped boolean NOT NULL DEFAULT false,
  is_fixed   boolean NOT NULL DEFAULT false,
  version    integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  edited_at  timestamptz NOT NULL,
  edited_by  text NOT NULL,
  CONSTRAINT pk_prompts PRIMARY KEY (name),
  CONSTRAINT ck_prompts_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  CONSTRAINT ck_prompts_title CHECK (char_length(title) BETWEEN 1 AND 100),
  CONSTRAINT ck_prompts_texts CHECK (jsonb_typeof(texts) = 'object'),
  CONSTRAINT ck_prompts_version CHECK (version >= 1),
  CONSTRAINT ck_prompts_fixed_is_shipped CHECK (is_shipped OR NOT is_fixed)
)
-- ----
-- What callers hear: one row for each file <language>/<name>.wav. The row is the truth; the file is
-- put back where it differs.
CREATE TABLE prompt_audio (
  name          text NOT NULL,
  language      text NOT NULL,
  origin        text NOT NULL,
  sha256        text NOT NULL,
  wide_sha256   text,
  text_sha256   text,
  duration_ms   integer NOT NULL,
  loudness_dbfs double precision NOT NULL,
  peak_dbfs     double precision NOT NULL,
  made_at       timestamptz NOT NULL,
  made_by       text NOT NULL,
  CONSTRAINT pk_prompt_audio PRIMARY KEY (name, language),
  CONSTRAINT fk_prompt_audio_name_prompts FOREIGN KEY (name) REFERENCES prompts,
  CONSTRAINT ck_prompt_audio_language CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ck_prompt_audio_origin CHECK (origin IN ('recorded', 'shipped', 'synthesised')),
  CONSTRAINT ck_prompt_audio_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT ck_prompt_audio_wide_sha256 CHECK (wide_sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT ck_prompt_audio_text_sha256 CHECK (text_sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT ck_prompt_audio_duration_ms CHECK (duration_ms > 0),
  CONSTRAINT ck_prompt_audio_levels CHECK (loudness_dbfs <= 0.1 AND peak_dbfs <= 0.1)
)
-- ----
-- Shipped prompts the city has deleted: a start does not bring them back.
CREATE TABLE prompts_removed (
  name       text NOT NULL,
  removed_at timestamptz NOT NULL,
  removed_by text NOT NULL,
  CONSTRAINT pk_prompts_removed PRIMARY KEY (name)
)
-- ----
-- How far a text is spoken. The work itself is a job of procrastinate, enqueued with this row.
CREATE TABLE prompt_jobs (
  job_id     bigint GENERATED ALWAYS AS IDENTITY,
  prompt     text NOT NULL,
  languages  text[] NOT NULL,
  state      text NOT NULL DEFAULT 'queued',
  done       integer NOT NULL DEFAULT 0,
  total      integer NOT NULL,
  error      text,
  tries      integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  changed_at timestamptz NOT NULL,
  CONSTRAINT pk_prompt_jobs PRIMARY KEY (job_id),
  CONSTRAINT ck_prompt_jobs_state CHECK (state IN ('done', 'failed', 'queued', 'running')),
  CONSTRAINT ck_prompt_jobs_progress CHECK (done BETWEEN 0 AND total AND total > 0),
  CONSTRAINT ck_prompt_jobs_error CHECK ((error IS NOT NULL) = (state = 'failed'))
)
-- ----
CREATE INDEX ix_prompt_jobs_state_changed_at ON prompt_jobs (state, changed_at)
-- ----
CREATE TRIGGER prompts_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON prompts
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
CREATE TRIGGER prompt_audio_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON prompt_audio
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
