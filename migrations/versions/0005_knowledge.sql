-- Articles. Statements are parted by "-- ----" lines.

-- What an article says is JSON of one shape (callcenter/knowledge/edition.py); the shape is held here.
CREATE FUNCTION article_text_is_valid(value jsonb, shortest integer, longest integer, lines boolean DEFAULT false)
RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NULL THEN shortest = 0
  ELSE jsonb_typeof(value) = 'string' AND char_length(value #>> '{}') BETWEEN shortest AND longest
    AND is_plain_text(value #>> '{}', lines) END
-- ----
CREATE FUNCTION article_lines_are_valid(value jsonb, shortest integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF value IS NULL THEN
    RETURN shortest = 0;
  END IF;
  IF jsonb_typeof(value) <> 'array' OR jsonb_array_length(value) NOT BETWEEN shortest AND 30 THEN
    RETURN false;
  END IF;
  RETURN (SELECT coalesce(bool_and(article_text_is_valid(line, 1, 300)), true) FROM jsonb_array_elements(value) AS line);
END $$
-- ----
CREATE FUNCTION article_content_is_valid(kind text, content jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  language  text;
  part      jsonb;
  guide     jsonb;
  languages integer := 0;
BEGIN
  IF jsonb_typeof(content) IS DISTINCT FROM 'object' THEN
    RETURN false;
  END IF;
  FOR language, part IN SELECT * FROM jsonb_each(content) LOOP
    languages := languages + 1;
    IF language !~ '^[a-z]{2}$' OR jsonb_typeof(part) <> 'object' THEN
      RETURN false;
    END IF;
    guide := part -> 'guide';
    IF part - ARRAY['title', 'body', 'spoken', 'prompt', 'guide'] <> '{}'
      OR NOT article_text_is_valid(part -> 'title', 1, 100)
      OR NOT article_text_is_valid(part -> 'body', CASE WHEN guide IS NULL THEN 1 ELSE 0 END, 8000, true)
      OR (part ? 'spoken' AND NOT article_text_is_valid(part -> 'spoken', 1, 2000, true))
      OR (part ? 'prompt' AND coalesce(part ->> 'prompt' !~ '^[a-z][a-z0-9_]{0,62}$', true))
      OR (part ? 'spoken' AND part ? 'prompt')
      OR (guide IS NOT NULL) <> (kind = 'service_guide')
    THEN
      RETURN false;
    END IF;
    IF guide IS NOT NULL AND (jsonb_typeof(guide) <> 'object'
      OR guide - ARRAY['conditions', 'materials', 'steps', 'place', 'time', 'fee', 'contact'] <> '{}'
      OR NOT article_text_is_valid(guide -> 'conditions', 0, 2000, true)
      OR NOT article_lines_are_valid(guide -> 'materials', 0)
      OR NOT article_lines_are_valid(guide -> 'steps', 1)
      OR NOT article_text_is_valid(guide -> 'place', 0, 300)
      OR NOT article_text_is_valid(guide -> 'time', 0, 300)
      OR NOT article_text_is_valid(guide -> 'fee', 0, 300)
      OR NOT article_text_is_valid(guide -> 'contact', 0, 300))
    THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN languages BETWEEN 1 AND 20;
END $$
-- ----
CREATE FUNCTION article_words_are_valid(words text[], most integer, longest integer) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN cardinality(words) <= most AND (
  SELECT coalesce(bool_and(word IS NOT NULL AND char_length(word) BETWEEN 1 AND longest AND is_plain_text(word)), true)
  FROM unnest(words) AS word)
-- ----
CREATE TABLE articles (
  name           text NOT NULL,
  -- The working edition.
  kind           text NOT NULL,
  department     text NOT NULL,
  content        json NOT NULL, -- not jsonb: languages stay in the order they were written in
  keywords       text[] NOT NULL DEFAULT '{}',
  valid_from     date,
  valid_until    date,
  state          text NOT NULL DEFAULT 'draft',
  authors        text[] NOT NULL,
  edited_by      text NOT NULL,
  edited_at      timestamptz NOT NULL,
  approved_by    text,
  approved_at    timestamptz,
  -- What callers hear; until opens_on, then it is the next one's turn.
  current_version integer,
  next_version   integer,
  opens_on       date,
  last_version   integer NOT NULL DEFAULT 0,
  review_due_on  date,
  review_told_on date, -- the due date that was announced
  related        text[] NOT NULL DEFAULT '{}',
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL,
  deleted_at     timestamptz,
  version        integer NOT NULL DEFAULT 1,
  CONSTRAINT pk_articles PRIMARY KEY (name),
  CONSTRAINT ck_articles_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$' AND name <> 'search'),
  CONSTRAINT ck_articles_kind CHECK (kind IN ('policy', 'city_guide', 'investment_guide',
    'application_materials', 'fees', 'department_duties', 'service_guide')),
  CONSTRAINT ck_articles_department CHECK (char_length(department) BETWEEN 1 AND 100 AND is_plain_text(department)),
  CONSTRAINT ck_articles_content CHECK (article_content_is_valid(kind, content::jsonb)),
  CONSTRAINT ck_articles_keywords CHECK (article_words_are_valid(keywords, 30, 40)),
  CONSTRAINT ck_articles_days CHECK (valid_from BETWEEN '2000-01-01' AND '2999-12-31'
    AND valid_until BETWEEN '2000-01-01' AND '2999-12-31' AND valid_until >= valid_from),
  CONSTRAINT ck_articles_review CHECK (review_due_on BETWEEN '2000-01-01' AND '2999-12-31'),
  CONSTRAINT ck_articles_state CHECK (state IN ('draft', 'approved', 'published', 'expired', 'withdrawn')),
  CONSTRAINT ck_articles_authors CHECK (cardinality(authors) >= 1),
  CONSTRAINT ck_articles_edited_by CHECK (char_length(edited_by) BETWEEN 1 AND 80 AND is_plain_text(edited_by)),
  CONSTRAINT ck_articles_created_by CHECK (char_length(created_by) BETWEEN 1 AND 80 AND is_plain_text(created_by)),
  CONSTRAINT ck_articles_approved CHECK ((state = 'draft') = (approved_by IS NULL)
    AND (approved_by IS NULL) = (approved_at IS NULL)),
  CONSTRAINT ck_articles_four_eyes CHECK (approved_by <> ALL (authors)),
  CONSTRAINT ck_articles_heard CHECK (current_version BETWEEN 1 AND last_version
    AND next_version BETWEEN 1 AND last_version AND next_version > current_version),
  CONSTRAINT ck_articles_opens_on CHECK ((opens_on IS NULL) = (next_version IS NULL)),
  CONSTRAINT ck_articles_published CHECK (CASE
    WHEN state = 'published' THEN current_version IS NOT NULL OR next_version IS NOT NULL
    WHEN state IN ('expired', 'withdrawn') THEN current_version IS NULL AND next_version IS NULL
    ELSE true END),
  CONSTRAINT ck_articles_related CHECK (article_words_are_valid(related, 20, 63)),
  CONSTRAINT ck_articles_deleted CHECK (deleted_at IS NULL OR (current_version IS NULL AND next_version IS NULL)),
  CONSTRAINT ck_articles_last_version CHECK (last_version >= 0),
  CONSTRAINT ck_articles_version CHECK (version >= 1)
)
-- ----
CREATE INDEX ix_articles_kind ON articles (kind, name)
-- ----
CREATE INDEX ix_articles_department ON articles (department, name)
-- ----
CREATE INDEX ix_articles_review_due_on ON articles (review_due_on) WHERE review_due_on IS NOT NULL
-- ----
CREATE INDEX ix_articles_opens_on ON articles (opens_on) WHERE opens_on IS NOT NULL
-- ----
CREATE FUNCTION keep_article_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.name, NEW.created_by, NEW.created_at) IS DISTINCT FROM (OLD.name, OLD.created_by, OLD.created_at)
     OR NEW.last_version < OLD.last_version OR NEW.version < OLD.version THEN
    RAISE EXCEPTION 'name and origin of an article never change, its versions only rise' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
-- ----
CREATE TRIGGER articles_keep_origin BEFORE UPDATE ON articles FOR EACH ROW EXECUTE FUNCTION keep_article_origin()
-- ----
CREATE TRIGGER articles_stay BEFORE DELETE ON articles FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TABLE article_versions (
  article      text NOT NULL,
  version      integer NOT NULL,
  kind         text NOT NULL,
  department   text NOT NULL,
  content      json NOT NULL,
  keywords     text[] NOT NULL,
  valid_from   date NOT NULL,
  valid_until  date,
  authors      text[] NOT NULL,
  approved_by  text NOT NULL,
  approved_at  timestamptz NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL,
  reason       text NOT NULL,
  CONSTRAINT pk_article_versions PRIMARY KEY (article, version),
  CONSTRAINT fk_article_versions_article_articles FOREIGN KEY (article) REFERENCES articles,
  CONSTRAINT ck_article_versions_version CHECK (version >= 1),
  CONSTRAINT ck_article_versions_kind CHECK (kind IN ('policy', 'city_guide', 'investment_guide',
    'application_materials', 'fees', 'department_duties', 'service_guide')),
  CONSTRAINT ck_article_versions_department CHECK (char_length(department) BETWEEN 1 AND 100 AND is_plain_text(department)),
  CONSTRAINT ck_article_versions_content CHECK (article_content_is_valid(kind, content::jsonb)),
  CONSTRAINT ck_article_versions_keywords CHECK (article_words_are_valid(keywords, 30, 40)),
  CONSTRAINT ck_article_versions_days CHECK (valid_from BETWEEN '2000-01-01' AND '2999-12-31'
    AND valid_until BETWEEN '2000-01-01' AND '2999-12-31' AND valid_until >= valid_from),
  CONSTRAINT ck_article_versions_four_eyes CHECK (cardinality(authors) >= 1 AND approved_by <> ALL (authors)),
  CONSTRAINT ck_article_versions_published_by CHECK (char_length(published_by) BETWEEN 1 AND 80 AND is_plain_text(published_by)),
  CONSTRAINT ck_article_versions_reason CHECK (char_length(reason) BETWEEN 1 AND 1000 AND is_plain_text(reason, true))
)
-- ----
CREATE INDEX ix_article_versions_valid_until ON article_versions (valid_until) WHERE valid_until IS NOT NULL
-- ----
ALTER TABLE articles ADD CONSTRAINT fk_articles_current_version_article_versions
  FOREIGN KEY (name, current_version) REFERENCES article_versions (article, version)
-- ----
ALTER TABLE articles ADD CONSTRAINT fk_articles_next_version_article_versions
  FOREIGN KEY (name, next_version) REFERENCES article_versions (article, version)
-- ----
CREATE TRIGGER article_versions_immutable BEFORE UPDATE OR DELETE ON article_versions
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TRIGGER article_versions_stay BEFORE TRUNCATE ON article_versions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
-- ----
-- Callers hear another version, or none, when one of these columns changes; a new version without
-- them is heard by nobody, and so is a draft.
CREATE TRIGGER articles_raise_stamp AFTER UPDATE OF current_version, next_version, opens_on ON articles
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
CREATE TABLE article_events (
  article text NOT NULL,
  seq     integer NOT NULL,
  at      timestamptz NOT NULL,
  actor   text NOT NULL,
  kind    text NOT NULL,
  detail  jsonb NOT NULL,
  CONSTRAINT pk_article_events PRIMARY KEY (article, seq),
  CONSTRAINT fk_article_events_article_articles FOREIGN KEY (article) REFERENCES articles,
  CONSTRAINT ck_article_events_seq CHECK (seq >= 1),
  CONSTRAINT ck_article_events_kind CHECK (kind IN ('created', 'edited', 'approved', 'given_back', 'published',
    'came_into_force', 'withdrawn', 'expired', 'reviewed', 'related_set', 'deleted')),
  CONSTRAINT ck_article_events_first CHECK ((seq = 1) = (kind = 'created')),
  CONSTRAINT ck_article_events_actor CHECK (char_length(actor) BETWEEN 1 AND 80 AND is_plain_text(actor)),
  CONSTRAINT ck_article_events_detail CHECK (jsonb_typeof(detail) = 'object'),
  CONSTRAINT ck_article_events_reason CHECK (kind NOT IN ('approved', 'given_back', 'published', 'withdrawn', 'reviewed')
    OR coalesce(char_length(detail ->> 'reason') BETWEEN 1 AND 1000 AND is_plain_text(detail ->> 'reason', true), false))
)
-- ----
CREATE TRIGGER article_events_append_only BEFORE UPDATE OR DELETE ON article_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
-- ----
CREATE TRIGGER article_events_stay BEFORE TRUNCATE ON article_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
-- ----
-- What can be found, one row a language: the version in force, and the newest edition where that is
-- another one. Made anew from the two tables above whenever they change.
CREATE TABLE article_search (
  article      text NOT NULL,
  language     text NOT NULL,
  edition      text NOT NULL,
  version      integer,
  kind         text NOT NULL,
  department   text NOT NULL,
  state        text NOT NULL,
  title        text NOT NULL,
  title_folded text NOT NULL,
  keywords     text[] NOT NULL,
  valid_from   date,
  valid_until  date,
  head         tsvector NOT NULL, -- title (A), keywords (B), and what a search is narrowed by
  document     tsvector NOT NULL, -- the same, and the body (D)
  CONSTRAINT pk_article_search PRIMARY KEY (article, language, edition),
  CONSTRAINT fk_article_search_article_articles FOREIGN KEY (article) REFERENCES articles,
  CONSTRAINT ck_article_search_edition CHECK (edition IN ('in_force', 'newest')),
  CONSTRAINT ck_article_search_in_force CHECK (edition <> 'in_force' OR (version IS NOT NULL AND state = 'published'))
)
-- ----
-- fastupdate=off: a search must not walk through what was written lately.
CREATE INDEX ix_article_search_head ON article_search USING gin (head) WITH (fastupdate = off)
-- ----
CREATE INDEX ix_article_search_document ON article_search USING gin (document) WITH (fastupdate = off)
-- ----
-- What callers did with an article. No foreign key to `calls`: this row may be written before the
-- journal has told of its call.
CREATE TABLE article_plays (
  call_id  uuid NOT NULL,
  seq      integer NOT NULL,
  article  text NOT NULL,
  version  integer NOT NULL,
  language text NOT NULL,
  at       timestamptz NOT NULL,
  outcome  text NOT NULL,
  CONSTRAINT pk_article_plays PRIMARY KEY (call_id, seq),
  CONSTRAINT fk_article_plays_article_article_versions FOREIGN KEY (article, version) REFERENCES article_versions,
  CONSTRAINT ck_article_plays_seq CHECK (seq >= 0),
  CONSTRAINT ck_article_plays_language CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ck_article_plays_outcome CHECK (outcome IN
    ('finished', 'skipped', 'hung_up', 'asked_person', 'faxed', 'repeated'))
)
-- ----
CREATE INDEX ix_article_plays_article_at ON article_plays (article, at, call_id, seq)
-- ----
CREATE TRIGGER article_plays_append_only BEFORE UPDATE OR DELETE ON article_plays
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
