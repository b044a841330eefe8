-- Callbacks whose queue is gone, machines that answer, the offer of a queue. Statements are parted by
-- "-- ----" lines.

-- The queue a callback was asked for in, where that one is gone.
ALTER TABLE callbacks ADD COLUMN moved_from text
-- ----
-- A machine answered: somebody of ours heard it and said so. Every old row satisfies the wider rule.
ALTER TABLE callback_tries
  DROP CONSTRAINT ck_callback_tries_outcome,
  ADD CONSTRAINT ck_callback_tries_outcome CHECK (outcome IN ('reached', 'busy', 'no_answer', 'failed', 'machine',
    'agent_left', 'not_served', 'withdrawn', 'refused', 'lost')) NOT VALID,
  ADD CONSTRAINT ck_callback_tries_machine CHECK (outcome IS DISTINCT FROM 'machine' OR dialled_at IS NOT NULL) NOT VALID
-- ----
ALTER TABLE callback_tries
  VALIDATE CONSTRAINT ck_callback_tries_outcome,
  VALIDATE CONSTRAINT ck_callback_tries_machine
-- ----
-- Whether callers who wait are offered a call back (only where one can be dialled), and what becomes of
-- a missed call: null as the instance says. A handful of rows.
ALTER TABLE queues
  ADD COLUMN offers_callback boolean NOT NULL DEFAULT true,
  ADD COLUMN missed_calls    text,
  ADD CONSTRAINT ck_queues_missed_calls CHECK (missed_calls IN ('task', 'dial'))
