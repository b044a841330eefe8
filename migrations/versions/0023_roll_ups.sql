-- Roll-ups of figures, membership over time. Statements are parted by "-- ----" lines.

-- Roll-ups are counted from queue_visits, agent_talks, agent_activity and callbacks by the worker and
-- can be deleted at any time: reports then count from the rows, slower. A change of a row that
-- reaches into a time more than an hour ago is noted in its own transaction (figure_marks); what is
-- noted, or `stale`, is counted from the rows until it was rolled up anew. Hence no report is wrong.

-- A quarter of an hour (UTC) that is rolled up. `settled_at`: from then on nothing of it depends on
-- what time it is now.
CREATE TABLE figure_quarters (
  begin_at   timestamptz NOT NULL,
  settled_at timestamptz NOT NULL,
  stale      boolean NOT NULL DEFAULT false,
  CONSTRAINT pk_figure_quarters PRIMARY KEY (begin_at)
)
-- ----
-- Waits that began in it, of one queue; `queue` '': calls, once each. The arrays are seconds waited,
-- rounded up, ascending: how many are within a threshold is one binary search (width_bucket).
-- `missed`: given up by a caller with a number; `followed_up`: those called back in time.
CREATE TABLE figure_quarter_counts (
  begin_at            timestamptz NOT NULL,
  queue               text NOT NULL,
  offered             integer NOT NULL,
  undecided           integer NOT NULL,
  answered            integer[] NOT NULL,
  answered_from_ring  integer[] NOT NULL,
  abandoned           integer[] NOT NULL,
  abandoned_from_ring integer[] NOT NULL,
  missed              integer[] NOT NULL,
  followed_up         integer[] NOT NULL,
  wait_seconds        double precision NOT NULL,
  ring_seconds        double precision NOT NULL,
  handled             integer NOT NULL,
  handling_seconds    double precision NOT NULL,
  CONSTRAINT pk_figure_quarter_counts PRIMARY KEY (begin_at, queue),
  CONSTRAINT fk_figure_quarter_counts_begin_at_figure_quarters FOREIGN KEY (begin_at)
    REFERENCES figure_quarters ON DELETE CASCADE
)
-- ----
-- A day of the city that is rolled up for agents.
CREATE TABLE figure_days (
  begin_at timestamptz NOT NULL,
  end_at   timestamptz NOT NULL,
  stale    boolean NOT NULL DEFAULT false,
  CONSTRAINT pk_figure_days PRIMARY KEY (begin_at),
  CONSTRAINT ck_figure_days_order CHECK (end_at > begin_at)
)
-- ----
CREATE TABLE figure_agent_days (
  begin_at         timestamptz NOT NULL,
  agent_id         text NOT NULL, -- kept when the agent is gone
  talks            integer NOT NULL,
  talks_over       integer NOT NULL,
  talk_seconds     double precision NOT NULL,
  handling_seconds double precision NOT NULL,
  talking          double precision NOT NULL,
  talking_logged   double precision NOT NULL,
  wrap_up          double precision NOT NULL,
  free             double precision NOT NULL,
  paused           double precision NOT NULL,
  CONSTRAINT pk_figure_agent_days PRIMARY KEY (begin_at, agent_id),
  CONSTRAINT fk_figure_agent_days_begin_at_figure_days FOREIGN KEY (begin_at)
    REFERENCES figure_days ON DELETE CASCADE
)
-- ----
-- Times of which something changed late. `what`: queues (from_at begins a quarter), agents.
CREATE TABLE figure_marks (
  mark_id bigint GENERATED ALWAYS AS IDENTITY,
  what    text NOT NULL,
  from_at timestamptz NOT NULL,
  to_at   timestamptz NOT NULL,
  CONSTRAINT pk_figure_marks PRIMARY KEY (mark_id),
  CONSTRAINT ck_figure_marks_what CHECK (what IN ('queues', 'agents')),
  CONSTRAINT ck_figure_marks_order CHECK (to_at >= from_at)
)
-- ----
CREATE FUNCTION figure_quarter(at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT date_bin('15 minutes', at, '2000-01-01 00:00:00+00') $$
-- ----
-- What changes within the hour needs no mark: nothing is rolled up that ended less than an hour
-- before the oldest transaction that is going on began.
CREATE FUNCTION mark_figures_at(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF at < clock_timestamp() - interval '1 hour' THEN
    INSERT INTO figure_marks (what, from_at, to_at)
    VALUES ('queues', figure_quarter(at), figure_quarter(at));
  END IF;
END
$$
-- ----
-- The condition is on the call alone: whatever is known of the table, its key is read.
CREATE FUNCTION mark_figures_of_call(one uuid) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  at timestamptz;
BEGIN
  FOR at IN SELECT entered_at FROM queue_visits WHERE call_id = one LOOP
    PERFORM mark_figures_at(at);
  END LOOP;
END
$$
-- ----
-- For any table whose rows belong to a call.
CREATE FUNCTION mark_figures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN PERFORM mark_figures_of_call(OLD.call_id); END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.call_id IS DISTINCT FROM OLD.call_id) THEN
    PERFORM mark_figures_of_call(NEW.call_id);
  END IF;
  RETURN NULL;
END
$$
-- ----
CREATE FUNCTION mark_moved_visit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mark_figures_at(OLD.entered_at);
  RETURN NULL;
END
$$
-- ----
CREATE FUNCTION mark_figures_of_callback() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.callback_id ELSE NEW.callback_id END;
BEGIN
  PERFORM mark_figures_of_call(call_id) FROM (
    SELECT call_id FROM callbacks WHERE callback_id = changed
    UNION SELECT call_id FROM callback_calls WHERE callback_id = changed
  ) AS concerned;
  RETURN NULL;
END
$$
-- ----
CREATE TRIGGER queue_visits_mark AFTER INSERT OR DELETE ON queue_visits
  FOR EACH ROW EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER queue_visits_mark_changed AFTER UPDATE ON queue_visits
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER queue_visits_mark_gone AFTER DELETE ON queue_visits
  FOR EACH ROW EXECUTE FUNCTION mark_moved_visit()
-- ----
CREATE TRIGGER queue_visits_mark_moved AFTER UPDATE ON queue_visits
  FOR EACH ROW WHEN (OLD.entered_at IS DISTINCT FROM NEW.entered_at)
  EXECUTE FUNCTION mark_moved_visit()
-- ----
CREATE TRIGGER calls_mark AFTER UPDATE ON calls FOR EACH ROW
  WHEN ((OLD.direction, OLD.started_at, OLD.ended_at, OLD.caller_number)
    IS DISTINCT FROM (NEW.direction, NEW.started_at, NEW.ended_at, NEW.caller_number))
  EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER agent_talks_mark AFTER INSERT OR DELETE ON agent_talks
  FOR EACH ROW EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER agent_talks_mark_changed AFTER UPDATE ON agent_talks
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER agent_activity_mark_new AFTER INSERT ON agent_activity
  FOR EACH ROW WHEN (NEW.state = 'wrap_up') EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER agent_activity_mark_changed AFTER UPDATE ON agent_activity
  FOR EACH ROW WHEN ((OLD.state = 'wrap_up' OR NEW.state = 'wrap_up') AND OLD.* IS DISTINCT FROM NEW.*)
  EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER agent_activity_mark_gone AFTER DELETE ON agent_activity
  FOR EACH ROW WHEN (OLD.state = 'wrap_up') EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER callbacks_mark AFTER INSERT OR UPDATE OR DELETE ON callbacks
  FOR EACH ROW EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER callbacks_mark_joined AFTER UPDATE ON callbacks
  FOR EACH ROW EXECUTE FUNCTION mark_figures_of_callback()
-- ----
CREATE TRIGGER callback_calls_mark AFTER INSERT OR UPDATE OR DELETE ON callback_calls
  FOR EACH ROW EXECUTE FUNCTION mark_figures()
-- ----
CREATE TRIGGER callback_tries_mark AFTER INSERT OR UPDATE OR DELETE ON callback_tries
  FOR EACH ROW EXECUTE FUNCTION mark_figures_of_callback()
-- ----
CREATE FUNCTION mark_agent_figures(began timestamptz, ended timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF began < clock_timestamp() - interval '1 hour' THEN
    INSERT INTO figure_marks (what, from_at, to_at)
    VALUES ('agents', began, greatest(began, coalesce(ended, 'infinity')));
  END IF;
END
$$
-- ----
-- A span that is closed changes what lies behind its new end, and the averages where it began.
CREATE FUNCTION mark_talk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM mark_agent_figures(NEW.began_at, NEW.ended_at);
  ELSIF TG_OP = 'DELETE' OR (OLD.began_at, OLD.agent) IS DISTINCT FROM (NEW.began_at, NEW.agent) THEN
    PERFORM mark_agent_figures(OLD.began_at, OLD.ended_at);
    IF TG_OP = 'UPDATE' THEN PERFORM mark_agent_figures(NEW.began_at, NEW.ended_at); END IF;
  ELSE
    PERFORM mark_agent_figures(NEW.began_at, NEW.began_at);
    PERFORM mark_agent_figures(least(coalesce(OLD.ended_at, 'infinity'), coalesce(NEW.ended_at, 'infinity')),
      greatest(coalesce(OLD.ended_at, 'infinity'), coalesce(NEW.ended_at, 'infinity')));
  END IF;
  RETURN NULL;
END
$$
-- ----
CREATE FUNCTION mark_wrapped_up(one uuid, who text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  talk record;
BEGIN
  FOR talk IN SELECT agent, began_at FROM agent_talks WHERE call_id = one LOOP
    IF talk.agent = who THEN PERFORM mark_agent_figures(talk.began_at, talk.began_at); END IF;
  END LOOP;
END
$$
-- ----
CREATE FUNCTION mark_activity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM mark_agent_figures(NEW.began_at, NEW.ended_at);
  ELSIF TG_OP = 'DELETE' OR (OLD.began_at, OLD.agent_id, OLD.state)
      IS DISTINCT FROM (NEW.began_at, NEW.agent_id, NEW.state) THEN
    PERFORM mark_agent_figures(OLD.began_at, OLD.ended_at);
    IF TG_OP = 'UPDATE' THEN PERFORM mark_agent_figures(NEW.began_at, NEW.ended_at); END IF;
  ELSE
    PERFORM mark_agent_figures(least(coalesce(OLD.ended_at, 'infinity'), coalesce(NEW.ended_at, 'infinity')),
      greatest(coalesce(OLD.ended_at, 'infinity'), coalesce(NEW.ended_at, 'infinity')));
  END IF;
  IF TG_OP <> 'INSERT' AND OLD.state = 'wrap_up' THEN
    PERFORM mark_wrapped_up(OLD.call_id, OLD.agent_id);
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.state = 'wrap_up' THEN
    PERFORM mark_wrapped_up(NEW.call_id, NEW.agent_id);
  END IF;
  RETURN NULL;
END
$$
-- ----
CREATE TRIGGER agent_talks_mark_agent AFTER INSERT OR DELETE ON agent_talks
  FOR EACH ROW EXECUTE FUNCTION mark_talk()
-- ----
CREATE TRIGGER agent_talks_mark_agent_changed AFTER UPDATE ON agent_talks
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mark_talk()
-- ----
CREATE TRIGGER agent_activity_mark_agent AFTER INSERT OR DELETE ON agent_activity
  FOR EACH ROW EXECUTE FUNCTION mark_activity()
-- ----
CREATE TRIGGER agent_activity_mark_agent_changed AFTER UPDATE ON agent_activity
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mark_activity()
-- ----
-- Who was a member of a queue from when to when. `began_at` NULL: since before this was kept.
CREATE TABLE queue_member_spans (
  span_id  bigint GENERATED ALWAYS AS IDENTITY,
  queue    text NOT NULL, -- kept when queue or agent are gone
  agent_id text NOT NULL,
  began_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT pk_queue_member_spans PRIMARY KEY (span_id),
  CONSTRAINT ck_queue_member_spans_order CHECK (ended_at >= began_at)
)
-- ----
CREATE INDEX ix_queue_member_spans_queue ON queue_member_spans (queue, agent_id)
-- ----
CREATE UNIQUE INDEX uq_queue_member_spans_one_open ON queue_member_spans (queue, agent_id) WHERE ended_at IS NULL
-- ----
INSERT INTO queue_member_spans (queue, agent_id) SELECT queue, agent_id FROM queue_members
-- ----
-- Members are written anew as a whole where a queue or an agent is edited: who is out and in again
-- within one transaction was never out.
CREATE FUNCTION keep_member_span() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE queue_member_spans SET ended_at = greatest(began_at, now())
    WHERE queue = OLD.queue AND agent_id = OLD.agent_id AND ended_at IS NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE queue_member_spans SET ended_at = NULL
    WHERE queue = NEW.queue AND agent_id = NEW.agent_id AND ended_at = now();
    IF NOT FOUND THEN
      INSERT INTO queue_member_spans (queue, agent_id, began_at) VALUES (NEW.queue, NEW.agent_id, now());
    END IF;
  END IF;
  RETURN NULL;
END
$$
-- ----
CREATE TRIGGER queue_members_keep_span AFTER INSERT OR DELETE ON queue_members
  FOR EACH ROW EXECUTE FUNCTION keep_member_span()
-- ----
CREATE TRIGGER queue_members_keep_moved_span AFTER UPDATE ON queue_members
  FOR EACH ROW WHEN ((OLD.queue, OLD.agent_id) IS DISTINCT FROM (NEW.queue, NEW.agent_id))
  EXECUTE FUNCTION keep_member_span()
