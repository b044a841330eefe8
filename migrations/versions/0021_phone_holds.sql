-- Holds by agents' phones. Statements are parted by "-- ----" lines.

-- Spans in which an agent's phone, on the leg `uniqueid`, held the others by itself (re-INVITE).
CREATE TABLE phone_holds (
  call_id  uuid NOT NULL,
  uniqueid text NOT NULL,
  began_at timestamptz NOT NULL,
  agent    text NOT NULL,
  ended_at timestamptz,
  CONSTRAINT pk_phone_holds PRIMARY KEY (call_id, uniqueid, began_at),
  CONSTRAINT fk_phone_holds_call_id_calls FOREIGN KEY (call_id) REFERENCES calls,
  CONSTRAINT ck_phone_holds_order CHECK (ended_at >= began_at)
)
-- ----
CREATE UNIQUE INDEX uq_phone_holds_one_open ON phone_holds (call_id, uniqueid) WHERE ended_at IS NULL
