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
