-- Sessions of agents, pause reasons. Statements are parted by "-- ----" lines.

-- How long an agent has after a call of this queue before the next one may ring; 0: none.
ALTER TABLE queues ADD COLUMN wrapup_seconds integer NOT NULL DEFAULT 0
  CONSTRAINT ck_queues_wrapup_seconds CHECK (wrapup_seconds BETWEEN 0 AND 3600)
-- ----
-- Why agents take no calls. `digit`: behind *47 on any phone. `chosen_by`: who may give it.
CREATE TABLE pause_reasons (
  name          text NOT NULL,
  title_zh      text NOT NULL,
  title_en      text NOT NULL,
  productive    boolean NOT NULL,
  limit_seconds integer,
  digit         text,
  chosen_by     text NOT NULL DEFAULT 'agent',
  version       integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_pause_reasons PRIMARY KEY (name),
  CONSTRAINT uq_pause_reasons_digit UNIQUE (digit),
  CONSTRAINT ck_pause_reasons_name CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  CONSTRAINT ck_pause_reasons_title CHECK (char_length(title_zh) BETWEEN 1 AND 60
    AND char_length(title_en) BETWEEN 1 AND 60 AND is_plain_text(title_zh) AND is_plain_text(title_en)),
  CONSTRAINT ck_pause_reasons_limit CHECK (limit_seconds BETWEEN 10 AND 86400),
  CONSTRAINT ck_pause_reasons_digit CHECK (digit IS NULL OR (digit ~ '^[0-9]$' AND chosen_by = 'agent')),
  CONSTRAINT ck_pause_reasons_chosen_by CHECK (chosen_by IN ('agent', 'supervisor', 'system'))
)
-- ----
INSERT INTO pause_reasons (name, title_zh, title_en, productive, limit_seconds, digit, chosen_by) VALUES
  ('rest',       '小休',       'Rest',                  false, 900,  '1',  'agent'),
  ('meal',       '用餐',       'Meal',                  false, 3600, '2',  'agent'),
  ('training',   '培训',       'Training',              true,  NULL, '3',  'agent'),
  ('admin_work', '整理工单',   'Work on cases',         true,  3600, '4',  'agent'),
  ('coaching',   '辅导',       'Coaching',              true,  NULL, '5',  'agent'),
  ('forced',     '班长示忙',   'Paused by supervisor',  false, NULL, NULL, 'supervisor'),
  ('no_answer',  '未接来电',   'Did not answer',        false, 300,  NULL, 'system'),
  ('phone_gone', '话机离线',   'Phone is gone',         false, 300,  NULL, 'system'),
  ('wrap_up',    '话后处理',   'Wrap-up',               true,  NULL, NULL, 'system')
-- ----
-- `reason`: of the pause that is true now; `pause_reason` is the one that is wished for.
-- `missed`: calls in a row that rang unanswered. `wished_at`: when the newest wish was made, by whom:
-- an older one that comes late changes nothing. `version` counts wishes, `in_force_version` is the
-- last one Asterisk was seen to follow.
ALTER TABLE agent_states
  ADD COLUMN reason text CONSTRAINT ck_agent_states_reason CHECK (state = 'paused' OR reason IS NULL),
  ADD COLUMN missed integer NOT NULL DEFAULT 0 CONSTRAINT ck_agent_states_missed CHECK (missed >= 0),
  ADD COLUMN wished_at timestamptz,
  ADD COLUMN wished_by text,
  ADD COLUMN in_force_version integer NOT NULL DEFAULT 0,
  ADD COLUMN over_limit boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT ck_agent_states_wished CHECK ((wished_at IS NULL) = (wished_by IS NULL))
-- ----
-- Queues an agent belongs to and is logged out of; no row: logged in.
CREATE TABLE agent_queue_logouts (
  agent_id text NOT NULL,
  queue    text NOT NULL,
  at       timestamptz NOT NULL,
  CONSTRAINT pk_agent_queue_logouts PRIMARY KEY (agent_id, queue),
  CONSTRAINT fk_agent_queue_logouts_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents ON DELETE CASCADE,
  CONSTRAINT fk_agent_queue_logouts_queue_queues FOREIGN KEY (queue) REFERENCES queues ON DELETE CASCADE
)
