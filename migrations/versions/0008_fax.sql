-- Fax documents, faxes out and in, and tries to deliver. Statements are parted by "-- ----" lines.
-- Rules stand twice: in channels/fax and here.

CREATE TABLE fax_documents (
  document        text NOT NULL,
  language        text NOT NULL,
  title           text NOT NULL,
  source          text NOT NULL,
  article         text,
  article_version integer,
  file            uuid NOT NULL,
  sha256          text NOT NULL,
  pages           integer NOT NULL,
  bytes           bigint NOT NULL,
  version         integer NOT NULL DEFAULT 1,
  updated_at      timestamptz NOT NULL,
  updated_by      text NOT NULL,
  CONSTRAINT pk_fax_documents PRIMARY KEY (document, language),
  CONSTRAINT uq_fax_documents_file UNIQUE (file),
  CONSTRAINT ck_fax_documents_document CHECK (document ~ '^[a-z][a-z0-9_-]{0,62}$'),
  CONSTRAINT ck_fax_documents_language CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ck_fax_documents_title CHECK (char_length(title) BETWEEN 1 AND 200 AND is_plain_text(title)),
  CONSTRAINT ck_fax_documents_source CHECK (source IN ('article', 'pdf')
    AND (source = 'article') = (article IS NOT NULL AND article_version IS NOT NULL)),
  CONSTRAINT ck_fax_documents_file CHECK (sha256 ~ '^[0-9a-f]{64}$' AND pages BETWEEN 1 AND 50 AND bytes > 0),
  CONSTRAINT ck_fax_documents_version CHECK (version >= 1)
)
-- ----
CREATE TRIGGER fax_documents_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON fax_documents
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
-- `pages`: of the document, or that came in. `pages_done`: went over whole.
-- `number`: where it goes to; of a fax in the call itself, where it goes to should that fail.
CREATE TABLE faxes (
  fax_id     uuid NOT NULL,
  direction  text NOT NULL,
  way        text NOT NULL,
  call_id    uuid NOT NULL,
  document   text,
  language   text,
  title      text NOT NULL,
  number     text,
  station    text,
  state      text NOT NULL,
  pages      integer,
  pages_done integer NOT NULL DEFAULT 0,
  mode       text,
  error      text,
  sha256     text,
  bytes      bigint,
  sealed_at  timestamptz,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  ended_at   timestamptz,
  CONSTRAINT pk_faxes PRIMARY KEY (fax_id),
  CONSTRAINT fk_faxes_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_faxes_way CHECK ((direction = 'in' AND way = 'in') OR (direction = 'out' AND way IN ('call', 'number'))),
  CONSTRAINT ck_faxes_number CHECK (number ~ '^[+][0-9]{4,15}$' AND (way <> 'number' OR number IS NOT NULL)),
  CONSTRAINT ck_faxes_title CHECK (char_length(title) BETWEEN 1 AND 200 AND is_plain_text(title)),
  CONSTRAINT ck_faxes_state CHECK (state IN ('ready', 'waiting', 'sending', 'receiving', 'converting',
    'sent', 'received', 'partial', 'failed', 'cancelled')),
  CONSTRAINT ck_faxes_ended CHECK ((state IN ('sent', 'received', 'partial', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
  CONSTRAINT ck_faxes_pages CHECK (pages >= 0 AND pages_done >= 0),
  CONSTRAINT ck_faxes_error CHECK (char_length(error) <= 200),
  CONSTRAINT ck_faxes_sealed CHECK (state NOT IN ('received', 'partial')
    OR (sha256 IS NOT NULL AND pages > 0 AND bytes > 0 AND sealed_at IS NOT NULL))
)
-- ----
CREATE INDEX ix_faxes_created_at ON faxes (created_at DESC, fax_id)
-- ----
CREATE INDEX ix_faxes_call_id ON faxes (call_id)
-- ----
CREATE INDEX ix_faxes_number ON faxes (number, created_at)
-- ----
CREATE INDEX ix_faxes_converting ON faxes (created_at) WHERE state = 'converting'
-- ----
-- One row a try. `dialling` is committed before Asterisk is asked, so no try is dialled twice.
CREATE TABLE fax_deliveries (
  fax_id     uuid NOT NULL,
  attempt    integer NOT NULL,
  number     text NOT NULL,
  call_id    uuid NOT NULL,
  node       text,
  state      text NOT NULL,
  due_at     timestamptz NOT NULL,
  dialled_at timestamptz,
  ended_at   timestamptz,
  pages      integer NOT NULL DEFAULT 0,
  error      text,
  CONSTRAINT pk_fax_deliveries PRIMARY KEY (fax_id, attempt),
  CONSTRAINT fk_fax_deliveries_fax_id_faxes FOREIGN KEY (fax_id) REFERENCES faxes,
  CONSTRAINT uq_fax_deliveries_call_id UNIQUE (call_id),
  CONSTRAINT ck_fax_deliveries_attempt CHECK (attempt >= 1),
  CONSTRAINT ck_fax_deliveries_number CHECK (number ~ '^[+][0-9]{4,15}$'),
  CONSTRAINT ck_fax_deliveries_state CHECK (state IN ('waiting', 'dialling', 'sending', 'sent', 'failed', 'cancelled')),
  CONSTRAINT ck_fax_deliveries_dialled CHECK (state NOT IN ('dialling', 'sending', 'sent') OR (dialled_at IS NOT NULL AND node IS NOT NULL)),
  CONSTRAINT ck_fax_deliveries_ended CHECK ((state IN ('sent', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
  CONSTRAINT ck_fax_deliveries_error CHECK (char_length(error) <= 200)
)
-- ----
CREATE UNIQUE INDEX uq_fax_deliveries_open ON fax_deliveries (fax_id) WHERE state IN ('waiting', 'dialling', 'sending')
-- ----
CREATE INDEX ix_fax_deliveries_open ON fax_deliveries (due_at) WHERE state IN ('waiting', 'dialling', 'sending')
