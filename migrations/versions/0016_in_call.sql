-- Acts in a call, directory, pauses of recordings. Statements are parted by "-- ----" lines.

-- Numbers of other units: all that agents can reach outside. `number` is what an agent dials or
-- names, `number_dialled` what the trunk is asked for.
CREATE TABLE directory_numbers (
  number         text NOT NULL,
  name_zh        text NOT NULL,
  name_en        text NOT NULL,
  department     text NOT NULL DEFAULT '',
  kind           text NOT NULL,
  number_dialled text NOT NULL,
  active         boolean NOT NULL DEFAULT true,
  created_at     timestamptz NOT NULL,
  version        integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_directory_numbers PRIMARY KEY (number),
  CONSTRAINT ck_directory_numbers_number CHECK (number ~ '^[0-9]{2,15}$'),
  CONSTRAINT ck_directory_numbers_number_dialled CHECK (number_dialled ~ '^[+]?[0-9]{2,15}$'),
  CONSTRAINT ck_directory_numbers_name_zh CHECK (char_length(name_zh) BETWEEN 1 AND 100 AND is_plain_text(name_zh)),
  CONSTRAINT ck_directory_numbers_name_en CHECK (char_length(name_en) <= 100 AND is_plain_text(name_en)),
  CONSTRAINT ck_directory_numbers_department CHECK (char_length(department) <= 100 AND is_plain_text(department)),
  CONSTRAINT ck_directory_numbers_kind CHECK (kind IN ('department', 'emergency', 'unit')),
  CONSTRAINT ck_directory_numbers_version CHECK (version >= 1)
)
-- ----
-- The emergency services are there out of the box.
INSERT INTO directory_numbers (number, name_zh, name_en, department, kind, number_dialled, created_at) VALUES
  ('110', '公安报警', 'Police', '公安', 'emergency', '110', now()),
  ('119', '火警', 'Fire brigade', '消防', 'emergency', '119', now()),
  ('120', '医疗急救', 'Ambulance', '急救', 'emergency', '120', now()),
  ('122', '交通事故报警', 'Traffic accidents', '公安交管', 'emergency', '122', now())
-- ----
-- Who is called into a call by an act: written before Asterisk is asked, completed by the journal.
-- `uniqueid` is the leg's: leg-<call>-<number>.
CREATE TABLE call_parties (
  call_id     uuid NOT NULL,
  number      integer NOT NULL,
  uniqueid    text NOT NULL,
  purpose     text NOT NULL,
  agent       text,
  directory   text,
  name        text NOT NULL DEFAULT '',
  officer     text NOT NULL DEFAULT '',
  releases    text, -- uniqueid of the agent's leg that goes when this one answers
  wanted_by   text NOT NULL,
  wanted_at   timestamptz NOT NULL,
  began_at    timestamptz,
  answered_at timestamptz,
  joined_at   timestamptz, -- a consultation: the citizen came back while whom was asked was there
  ended_at    timestamptz,
  result      text,
  result_by   text,
  CONSTRAINT pk_call_parties PRIMARY KEY (call_id, number),
  CONSTRAINT fk_call_parties_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT uq_call_parties_uniqueid UNIQUE (uniqueid),
  CONSTRAINT ck_call_parties_number CHECK (number >= 1),
  CONSTRAINT ck_call_parties_purpose CHECK (purpose IN ('consultation', 'three_way', 'conference', 'call_out', 'emergency')),
  CONSTRAINT ck_call_parties_whom CHECK ((agent IS NULL) <> (directory IS NULL)),
  CONSTRAINT ck_call_parties_name CHECK (char_length(name) <= 200 AND is_plain_text(name)),
  CONSTRAINT ck_call_parties_officer CHECK (char_length(officer) <= 100 AND is_plain_text(officer)),
  CONSTRAINT ck_call_parties_order CHECK (answered_at >= began_at AND ended_at >= began_at),
  CONSTRAINT ck_call_parties_result CHECK (result IN ('direct_answered', 'to_be_dispatched', 'no_answer_given')),
  CONSTRAINT ck_call_parties_result_by CHECK ((result IS NULL) = (result_by IS NULL))
)
-- ----
-- Spans in which the citizen was put aside, with music.
CREATE TABLE call_holds (
  call_id  uuid NOT NULL,
  began_at timestamptz NOT NULL,
  ended_at timestamptz,
  CONSTRAINT pk_call_holds PRIMARY KEY (call_id, began_at),
  CONSTRAINT fk_call_holds_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_call_holds_order CHECK (ended_at >= began_at)
)
-- ----
CREATE UNIQUE INDEX uq_call_holds_one_open ON call_holds (call_id) WHERE ended_at IS NULL
-- ----
-- Spans in which a recording holds silence in place of what was said.
CREATE TABLE recording_pauses (
  pause_id bigint GENERATED ALWAYS AS IDENTITY,
  call_id  uuid NOT NULL,
  began_at timestamptz NOT NULL,
  began_by text NOT NULL,
  reason   text NOT NULL,
  until_at timestamptz NOT NULL,
  resumed_by text, -- who wants it to end: set before Asterisk is asked
  ended_at timestamptz,
  ended_by text,
  CONSTRAINT pk_recording_pauses PRIMARY KEY (pause_id),
  CONSTRAINT fk_recording_pauses_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_recording_pauses_reason CHECK (char_length(reason) BETWEEN 1 AND 500 AND is_plain_text(reason)),
  CONSTRAINT ck_recording_pauses_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
  CONSTRAINT ck_recording_pauses_order CHECK (ended_at >= began_at AND until_at >= began_at)
)
-- ----
CREATE INDEX ix_recording_pauses_call_id ON recording_pauses (call_id, began_at)
-- ----
CREATE UNIQUE INDEX uq_recording_pauses_one_open ON recording_pauses (call_id) WHERE ended_at IS NULL
-- ----
-- A leg that a transfer took to another call belongs to that one from then on; here it is history.
ALTER TABLE call_legs ADD COLUMN moved_to uuid
