-- Queues as they are edited. Statements are parted by "-- ----" lines.

-- A handful of rows: the constraints are checked at once. A queue that was loaded before counts as
-- in force when the node has looked.
ALTER TABLE queues
  ADD COLUMN in_force_version  integer,
  ADD COLUMN max_wait_seconds  integer,
  ADD COLUMN max_waiting       integer NOT NULL DEFAULT 0,
  ADD COLUMN weight            integer NOT NULL DEFAULT 0,
  ADD COLUMN music             text NOT NULL DEFAULT 'default',
  ADD COLUMN comfort_prompt    text,
  ADD COLUMN comfort_seconds   integer NOT NULL DEFAULT 60,
  ADD COLUMN announce_position boolean NOT NULL DEFAULT false,
  ADD COLUMN announce_seconds  integer NOT NULL DEFAULT 60,
  ADD CONSTRAINT fk_queues_comfort_prompt_prompts FOREIGN KEY (comfort_prompt) REFERENCES prompts,
  ADD CONSTRAINT ck_queues_in_force CHECK (in_force_version <= version),
  ADD CONSTRAINT ck_queues_max_wait_seconds CHECK (max_wait_seconds BETWEEN 5 AND 7200),
  ADD CONSTRAINT ck_queues_max_waiting CHECK (max_waiting BETWEEN 0 AND 10000),
  ADD CONSTRAINT ck_queues_weight CHECK (weight BETWEEN 0 AND 100),
  ADD CONSTRAINT ck_queues_music CHECK (music IN ('default')),
  ADD CONSTRAINT ck_queues_comfort_seconds CHECK (comfort_seconds BETWEEN 15 AND 3600),
  ADD CONSTRAINT ck_queues_announce_seconds CHECK (announce_seconds BETWEEN 15 AND 3600)
-- ----
-- Steps of a relaxation: [[after_seconds, level], …], each later and asking less than the one before.
CREATE FUNCTION is_relaxation(steps jsonb, level integer) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  step jsonb;
  after_seconds integer := 0;
  least integer := level;
BEGIN
  IF jsonb_typeof(steps) <> 'array' OR jsonb_array_length(steps) > 10 THEN
    RETURN false;
  END IF;
  FOR step IN SELECT jsonb_array_elements(steps) LOOP
    IF jsonb_typeof(step) <> 'array' OR jsonb_array_length(step) <> 2
      OR jsonb_typeof(step -> 0) <> 'number' OR jsonb_typeof(step -> 1) <> 'number'
      OR (step ->> 0)::numeric NOT BETWEEN after_seconds + 1 AND 7200
      OR (step ->> 1)::numeric NOT BETWEEN 0 AND least - 1 THEN
      RETURN false;
    END IF;
    after_seconds := (step ->> 0)::integer;
    least := (step ->> 1)::integer;
  END LOOP;
  RETURN true;
END $$
-- ----
-- What a queue asks of agents: skills, and languages its callers speak.
CREATE TABLE queue_requirements (
  queue text NOT NULL,
  kind  text NOT NULL,
  name  text NOT NULL,
  level integer NOT NULL,
  relax jsonb NOT NULL DEFAULT '[]',
  CONSTRAINT pk_queue_requirements PRIMARY KEY (queue, kind, name),
  CONSTRAINT fk_queue_requirements_queue_queues FOREIGN KEY (queue) REFERENCES queues ON DELETE CASCADE,
  CONSTRAINT ck_queue_requirements_kind CHECK (kind IN ('skill', 'language')),
  CONSTRAINT ck_queue_requirements_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'
    AND (kind = 'skill' OR name ~ '^[a-z]{2}$')),
  CONSTRAINT ck_queue_requirements_level CHECK (level BETWEEN 1 AND 5),
  CONSTRAINT ck_queue_requirements_relax CHECK (is_relaxation(relax, level))
)
-- ----
-- Where callers go whom a queue gives up; no row: voicemail.
CREATE TABLE queue_exits (
  queue     text NOT NULL,
  cause     text NOT NULL,
  leads_to  text NOT NULL,
  to_queue  text,
  to_number text,
  CONSTRAINT pk_queue_exits PRIMARY KEY (queue, cause),
  CONSTRAINT fk_queue_exits_queue_queues FOREIGN KEY (queue) REFERENCES queues ON DELETE CASCADE,
  CONSTRAINT fk_queue_exits_to_queue_queues FOREIGN KEY (to_queue) REFERENCES queues,
  CONSTRAINT ck_queue_exits_cause CHECK (cause IN ('full', 'timeout', 'no_agents')),
  CONSTRAINT ck_queue_exits_leads_to CHECK (leads_to IN ('voicemail', 'queue', 'callback', 'number')),
  CONSTRAINT ck_queue_exits_queue CHECK ((leads_to = 'queue') = (to_queue IS NOT NULL)
    AND to_queue <> queue),
  CONSTRAINT ck_queue_exits_number CHECK ((leads_to = 'number') = (to_number IS NOT NULL)
    AND to_number ~ '^[+]?[0-9]{2,15}$')
)
-- ----
CREATE INDEX ix_queue_exits_to_queue ON queue_exits (to_queue)
-- ----
-- A callback is a record: it keeps the name of its queue when the queue is gone. Who removes a queue
-- is stopped by callbacks that wait.
ALTER TABLE callbacks DROP CONSTRAINT fk_callbacks_queue_queues
