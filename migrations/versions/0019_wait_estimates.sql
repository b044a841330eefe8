-- Estimates and figures. Statements are parted by "-- ----" lines. The tables that get an index are
-- of this release (0011): nothing is in them yet.

-- How a queue's calls went lately, and how good its estimates were: drawn anew by the node every few
-- seconds from queue_visits, agent_talks, call_legs and agent_activity. Can be lost: it comes back.
CREATE TABLE queue_paces (
  queue             text NOT NULL,
  drawn_at          timestamptz NOT NULL,
  talks             integer NOT NULL,
  handling_ms       bigint NOT NULL,
  answering_ms      bigint NOT NULL,
  patience_ms       bigint,
  calls             integer NOT NULL,
  median_ms         bigint,
  p90_ms            bigint,
  long_calls        integer NOT NULL,
  long_median_ms    bigint,
  long_p90_ms       bigint,
  CONSTRAINT pk_queue_paces PRIMARY KEY (queue),
  CONSTRAINT fk_queue_paces_queue_queues FOREIGN KEY (queue) REFERENCES queues ON DELETE CASCADE,
  CONSTRAINT ck_queue_paces_lengths CHECK (talks >= 0 AND handling_ms >= 0 AND answering_ms >= 0
    AND patience_ms >= 0 AND calls >= 0 AND long_calls BETWEEN 0 AND calls),
  CONSTRAINT ck_queue_paces_error CHECK ((calls = 0) = (median_ms IS NULL) AND (calls = 0) = (p90_ms IS NULL)
    AND median_ms BETWEEN 0 AND p90_ms),
  CONSTRAINT ck_queue_paces_long_error CHECK ((long_calls = 0) = (long_median_ms IS NULL)
    AND (long_calls = 0) = (long_p90_ms IS NULL) AND long_median_ms BETWEEN 0 AND long_p90_ms)
)
-- ----
-- The last waits of a queue that are over, newest first.
CREATE INDEX ix_queue_visits_left ON queue_visits (queue, left_at) WHERE outcome IN ('answered', 'abandoned')
-- ----
-- Wrap-up belongs to a call's handling.
CREATE INDEX ix_agent_activity_wrap_up ON agent_activity (call_id) WHERE state = 'wrap_up'
-- ----
-- Who is talking now.
CREATE INDEX ix_agent_talks_open ON agent_talks (agent) WHERE ended_at IS NULL
-- ----
-- Talks of a time, of all agents.
CREATE INDEX ix_agent_talks_began_at ON agent_talks (began_at)
-- ----
CREATE INDEX ix_agent_activity_began_at ON agent_activity (began_at)
