-- Callbacks that are dialled, missed calls. Statements are parted by "-- ----" lines.

-- `callbacks` is small (one row a wish), so that it is filled here.
ALTER TABLE callbacks
  ALTER COLUMN call_id DROP NOT NULL,
  ADD COLUMN kind text NOT NULL DEFAULT 'wish',
  ADD COLUMN line text,
  ADD COLUMN case_number text,
  ADD COLUMN place_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN due_at timestamptz,
  ADD COLUMN next_try_at timestamptz,
  DROP CONSTRAINT ck_callbacks_outcome,
  ADD CONSTRAINT ck_callbacks_outcome CHECK (outcome IN ('reached', 'not_reached', 'withdrawn', 'called_again')),
  ADD CONSTRAINT fk_callbacks_case_number_cases FOREIGN KEY (case_number) REFERENCES cases,
  ADD CONSTRAINT ck_callbacks_kind CHECK (kind IN ('wish', 'missed')),
  ADD CONSTRAINT ck_callbacks_missed CHECK (kind = 'wish' OR (call_id IS NOT NULL AND due_at IS NOT NULL
    AND outcome IS DISTINCT FROM 'withdrawn')),
  -- What nobody is to be dialled for any more has no next try.
  ADD CONSTRAINT ck_callbacks_next_try CHECK (next_try_at IS NULL OR state = 'waiting')
-- ----
UPDATE callbacks SET place_at = wanted_at
-- ----
-- One open task a number: whoever calls and is missed again joins it.
CREATE UNIQUE INDEX uq_callbacks_one_missed ON callbacks (number) WHERE state = 'waiting' AND kind = 'missed'
-- ----
CREATE INDEX ix_callbacks_number ON callbacks (number) WHERE state = 'waiting'
-- ----
CREATE INDEX ix_callbacks_next_try ON callbacks (next_try_at) WHERE next_try_at IS NOT NULL
-- ----
-- Further calls of a citizen whom one callback answers.
CREATE TABLE callback_calls (
  callback_id uuid NOT NULL,
  call_id     uuid NOT NULL,
  joined_at   timestamptz NOT NULL,
  CONSTRAINT pk_callback_calls PRIMARY KEY (callback_id, call_id),
  CONSTRAINT fk_callback_calls_callback_id_callbacks FOREIGN KEY (callback_id) REFERENCES callbacks,
  CONSTRAINT fk_callback_calls_call_id_calls FOREIGN KEY (call_id) REFERENCES calls
)
-- ----
CREATE INDEX ix_callback_calls_call_id ON callback_calls (call_id)
-- ----
-- Each attempt: a call of ours, written down before Asterisk is asked, or one documented by hand.
CREATE TABLE callback_tries (
  callback_id uuid NOT NULL,
  number      integer NOT NULL,
  call_id     uuid, -- no foreign key: the journal brings the call's row later, if it was made
  node        text,
  state       text NOT NULL,
  placed_at   timestamptz NOT NULL,
  dialled_at  timestamptz,
  ended_at    timestamptz,
  outcome     text,
  cause       integer,
  by          text,
  note        text NOT NULL DEFAULT '',
  CONSTRAINT pk_callback_tries PRIMARY KEY (callback_id, number),
  CONSTRAINT fk_callback_tries_callback_id_callbacks FOREIGN KEY (callback_id) REFERENCES callbacks,
  CONSTRAINT uq_callback_tries_call_id UNIQUE (call_id),
  CONSTRAINT ck_callback_tries_number CHECK (number >= 1),
  CONSTRAINT ck_callback_tries_state CHECK (state IN ('placed', 'dialling', 'ended')),
  CONSTRAINT ck_callback_tries_outcome CHECK (outcome IN ('reached', 'busy', 'no_answer', 'failed', 'agent_left',
    'not_served', 'withdrawn', 'refused', 'lost')),
  CONSTRAINT ck_callback_tries_ended CHECK ((state = 'ended') = (ended_at IS NOT NULL AND outcome IS NOT NULL)),
  CONSTRAINT ck_callback_tries_dialled CHECK (dialled_at IS NOT NULL OR (state <> 'dialling'
    AND outcome IS DISTINCT FROM 'reached' AND outcome IS DISTINCT FROM 'busy'
    AND outcome IS DISTINCT FROM 'no_answer' AND outcome IS DISTINCT FROM 'agent_left')),
  -- By the dialler: a call and its node. By hand: whoever says so, and it is over.
  CONSTRAINT ck_callback_tries_by CHECK ((call_id IS NULL) = (by IS NOT NULL) AND (call_id IS NULL) = (node IS NULL)
    AND (by IS NULL OR state = 'ended')),
  CONSTRAINT ck_callback_tries_order CHECK (dialled_at >= placed_at AND ended_at >= placed_at),
  CONSTRAINT ck_callback_tries_note CHECK (char_length(note) <= 1000 AND is_plain_text(note, true))
)
-- ----
-- One at a time: nobody is called twice at once.
CREATE UNIQUE INDEX uq_callback_tries_one_open ON callback_tries (callback_id) WHERE ended_at IS NULL
-- ----
CREATE INDEX ix_callback_tries_open ON callback_tries (node) WHERE ended_at IS NULL
-- ----
-- A call that calls a citizen back belongs to the case it is about.
ALTER TABLE case_calls
  DROP CONSTRAINT ck_case_calls_relation,
  ADD CONSTRAINT ck_case_calls_relation CHECK (relation IN ('origin', 'linked', 'callback')) NOT VALID
-- ----
ALTER TABLE case_calls VALIDATE CONSTRAINT ck_case_calls_relation
