-- What a flow refers to, and the stamp that tells callers' caches that something changed.
-- Statements are parted by "-- ----" lines.

-- What drafts (version 0) and versions of flows name outside themselves: for "who uses it".
CREATE TABLE ivr_references (
  flow    text NOT NULL,
  version integer NOT NULL,
  kind    text NOT NULL,
  name    text NOT NULL,
  CONSTRAINT pk_ivr_references PRIMARY KEY (flow, version, kind, name),
  CONSTRAINT fk_ivr_references_flow_ivr_flows FOREIGN KEY (flow) REFERENCES ivr_flows,
  CONSTRAINT ck_ivr_references_version CHECK (version >= 0),
  CONSTRAINT ck_ivr_references_kind CHECK (kind IN
    ('article', 'category', 'document', 'flow', 'prompt', 'queue', 'schedule'))
)
-- ----
CREATE INDEX ix_ivr_references_kind_name ON ivr_references (kind, name)
-- ----
-- One row. Whoever changes what the next caller may hear raises it in the same transaction (by a
-- trigger on the table): a call compares one number to know that what it has in memory is current.
CREATE TABLE ivr_stamp (
  one   boolean NOT NULL DEFAULT true,
  stamp bigint NOT NULL DEFAULT 1,
  CONSTRAINT pk_ivr_stamp PRIMARY KEY (one),
  CONSTRAINT ck_ivr_stamp_one_row CHECK (one)
)
-- ----
INSERT INTO ivr_stamp DEFAULT VALUES
-- ----
CREATE FUNCTION raise_ivr_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ivr_stamp SET stamp = stamp + 1;
  RETURN NULL;
END $$
-- ----
-- Editing a draft changes nothing that callers hear.
CREATE TRIGGER ivr_flows_raise_stamp AFTER UPDATE OF active_version ON ivr_flows
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
CREATE TRIGGER lines_raise_stamp AFTER INSERT OR UPDATE OR DELETE ON lines
  FOR EACH STATEMENT EXECUTE FUNCTION raise_ivr_stamp()
-- ----
-- Which version callers heard from when on, who decided it and why.
CREATE TABLE ivr_activations (
  activation_id bigint GENERATED ALWAYS AS IDENTITY,
  flow          text NOT NULL,
  version       integer NOT NULL,
  replaced      integer,
  at            timestamptz NOT NULL,
  by            text NOT NULL,
  why           text NOT NULL,
  CONSTRAINT pk_ivr_activations PRIMARY KEY (activation_id),
  CONSTRAINT fk_ivr_activations_flow_version_ivr_versions
    FOREIGN KEY (flow, version) REFERENCES ivr_versions (flow, version),
  CONSTRAINT ck_ivr_activations_why CHECK (char_length(why) <= 1000)
)
-- ----
CREATE INDEX ix_ivr_activations_flow ON ivr_activations (flow, activation_id)
-- ----
-- What was active before this table existed.
INSERT INTO ivr_activations (flow, version, at, by, why)
SELECT v.flow, v.version, v.published_at, v.published_by, v.comment
FROM ivr_versions v JOIN ivr_flows f ON f.name = v.flow AND f.active_version = v.version
-- ----
CREATE TRIGGER ivr_activations_append_only BEFORE UPDATE OR DELETE ON ivr_activations
  FOR EACH ROW EXECUTE FUNCTION refuse_change()
