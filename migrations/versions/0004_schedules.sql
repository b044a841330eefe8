-- Opening hours and the work calendar. Statements are parted by "-- ----" lines.

-- `definition`: the fields of callcenter/schedules/model.py's ScheduleEdit but for the title.
CREATE TABLE schedules (
  name       text NOT NULL,
  title      text NOT NULL,
  definition json NOT NULL, -- not jsonb: exceptions and days stay in the order they were written in
  version    integer NOT NULL DEFAULT 1,
  edited_at  timestamptz NOT NULL,
  edited_by  text NOT NULL,
  CONSTRAINT pk_schedules PRIMARY KEY (name),
  CONSTRAINT ck_schedules_name CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  CONSTRAINT ck_schedules_title CHECK (char_length(title) BETWEEN 1 AND 100 AND is_plain_text(title)),
  -- Ten intervals a day and 500 exceptions of 200 characters are below it.
  CONSTRAINT ck_schedules_definition CHECK (json_typeof(definition) = 'object'
    AND octet_length(definition::text) <= 2000000),
  CONSTRAINT ck_schedules_exceptions CHECK (json_array_length(definition->'exceptions') <= 500),
  CONSTRAINT ck_schedules_version CHECK (version >= 1),
  CONSTRAINT ck_schedules_edited_by CHECK (char_length(edited_by) BETWEEN 1 AND 80)
)
-- ----
-- Days that are not what their weekday says.
CREATE TABLE work_calendar_days (
  day       date NOT NULL,
  kind      text NOT NULL,
  name      text NOT NULL,
  source    text NOT NULL,
  version   integer NOT NULL DEFAULT 1,
  edited_at timestamptz,
  edited_by text,
  CONSTRAINT pk_work_calendar_days PRIMARY KEY (day),
  CONSTRAINT ck_work_calendar_days_day CHECK (day BETWEEN '2000-01-01' AND '2199-12-31'),
  CONSTRAINT ck_work_calendar_days_kind CHECK (kind IN ('holiday', 'makeup')),
  CONSTRAINT ck_work_calendar_days_name CHECK (char_length(name) BETWEEN 1 AND 100 AND is_plain_text(name)),
  CONSTRAINT ck_work_calendar_days_source CHECK (source IN ('package', 'manual')),
  CONSTRAINT ck_work_calendar_days_version CHECK (version >= 1),
  CONSTRAINT ck_work_calendar_days_edited CHECK
    ((source = 'manual') = (edited_by IS NOT NULL) AND (edited_by IS NULL) = (edited_at IS NULL))
)
-- ----
-- Years known in full: a day of such a year that is not listed is an ordinary one. A year that is
-- not here has no data, however many of its days are.
CREATE TABLE work_calendar_years (
  year      integer NOT NULL,
  source    text NOT NULL,
  seeded_at timestamptz NOT NULL,
  seeded_by text NOT NULL,
  CONSTRAINT pk_work_calendar_years PRIMARY KEY (year),
  CONSTRAINT ck_work_calendar_years_year CHECK (year BETWEEN 2000 AND 2199),
  CONSTRAINT ck_work_calendar_years_source CHECK (source IN ('package', 'manual'))
)
-- ----
CREATE TRIGGER schedules_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON schedules
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
CREATE TRIGGER work_calendar_days_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON work_calendar_days
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
CREATE TRIGGER work_calendar_years_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON work_calendar_years
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
