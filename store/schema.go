package store

import (
	"strings"

	"apiml/traffic"
)

// tables are the names of the tables that Info counts.
func tables() []string {
	return []string{"requests", "flows", "rejects", "templates", "inputs", "scores", "runs", "metrics", "redactions"}
}

// migrations are the steps from one schema version to the next: the first
// makes version 1 of an empty database. A step that was released is never
// changed; a new version is a new step at the end.
//
// What is read as requests is a view of request_rows with the principal computed:
// as a generated column it would be computed for every row that is written.
//
// There are no indexes and no keys: scans prune by the minima and maxima that
// DuckDB keeps per 122,880 rows, and an index would make ingest several times
// slower. seq counts the rows of a table in the order of ingest, without end;
// size is the number of bytes of text in the row, by which scans bound their
// memory.
func migrations() []string {
	return []string{`
CREATE TABLE inputs (
  id BIGINT NOT NULL, name VARCHAR NOT NULL, format VARCHAR NOT NULL, kind VARCHAR NOT NULL,
  sha256 VARCHAR NOT NULL, size BIGINT NOT NULL, first_line VARCHAR NOT NULL, lines BIGINT NOT NULL,
  read BIGINT NOT NULL, parsed BIGINT NOT NULL, rejected BIGINT NOT NULL, filtered BIGINT NOT NULL,
  first_time TIMESTAMP, last_time TIMESTAMP, synthetic BOOLEAN NOT NULL);
CREATE TABLE requests (
  seq BIGINT NOT NULL, input BIGINT NOT NULL, line BIGINT NOT NULL, time TIMESTAMP,
  method VARCHAR, host VARCHAR, target VARCHAR NOT NULL, template VARCHAR NOT NULL, protocol VARCHAR,
  status INTEGER, bytes_in BIGINT, bytes_out BIGINT, latency DOUBLE,
  client VARCHAR, forwarded VARCHAR, "user" VARCHAR, session VARCHAR, referrer VARCHAR, agent VARCHAR,
  cache VARCHAR, body VARCHAR, label VARCHAR, principal VARCHAR NOT NULL, size INTEGER NOT NULL);
CREATE TABLE flows (
  seq BIGINT NOT NULL, input BIGINT NOT NULL, line BIGINT NOT NULL, time TIMESTAMP,
  label VARCHAR, class VARCHAR NOT NULL, ` + strings.Join(flowColumns(), " DOUBLE, ") + ` DOUBLE);
CREATE TABLE rejects (input BIGINT NOT NULL, line BIGINT NOT NULL, byte_offset BIGINT NOT NULL, reason VARCHAR NOT NULL, raw VARCHAR NOT NULL);
CREATE TABLE templates (raw VARCHAR NOT NULL, folded VARCHAR NOT NULL);
CREATE TABLE scores (
  file VARCHAR NOT NULL, line BIGINT NOT NULL, time TIMESTAMP, principal VARCHAR NOT NULL, method VARCHAR,
  target VARCHAR NOT NULL, template VARCHAR NOT NULL, status INTEGER, class VARCHAR NOT NULL, probability DOUBLE NOT NULL,
  anomaly DOUBLE NOT NULL, flagged BOOLEAN NOT NULL, rules VARCHAR, reasons VARCHAR, incident VARCHAR, label VARCHAR);
CREATE TABLE runs (
  id BIGINT NOT NULL, command VARCHAR NOT NULL, version VARCHAR NOT NULL, config VARCHAR NOT NULL, inputs VARCHAR NOT NULL,
  models VARCHAR NOT NULL, counts VARCHAR NOT NULL, status VARCHAR NOT NULL, started TIMESTAMP, finished TIMESTAMP);
CREATE TABLE metrics (run BIGINT NOT NULL, model VARCHAR NOT NULL, dataset VARCHAR NOT NULL, name VARCHAR NOT NULL, value DOUBLE, sd DOUBLE);
`, `
ALTER TABLE inputs ADD COLUMN resume_offset BIGINT;
ALTER TABLE inputs ADD COLUMN resume_lines BIGINT;
ALTER TABLE inputs ADD COLUMN held BIGINT;
ALTER TABLE inputs ADD COLUMN last_seq BIGINT;
UPDATE inputs SET resume_offset = size, resume_lines = lines, held = 0, last_seq = 0;
CREATE TABLE redactions (input BIGINT NOT NULL, kind VARCHAR NOT NULL, n BIGINT NOT NULL, held BIGINT NOT NULL);
`, `
ALTER TABLE requests RENAME TO old_requests;
CREATE TABLE requests (
  seq BIGINT NOT NULL, input BIGINT NOT NULL, line BIGINT NOT NULL, time TIMESTAMP,
  method VARCHAR ` + dict + `, host VARCHAR ` + dict + `, target VARCHAR NOT NULL ` + dict + `, template VARCHAR NOT NULL ` + dict + `, protocol VARCHAR ` + dict + `,
  status INTEGER, bytes_in BIGINT, bytes_out BIGINT, latency DOUBLE,
  client VARCHAR ` + dict + `, forwarded VARCHAR ` + dict + `, "user" VARCHAR ` + dict + `, session VARCHAR ` + dict + `, referrer VARCHAR ` + dict + `, agent VARCHAR ` + dict + `,
  cache VARCHAR ` + dict + `, body VARCHAR, label VARCHAR ` + dict + `, size INTEGER NOT NULL,
  principal VARCHAR AS (CASE
    WHEN "user" <> '-' THEN 'user:' || "user"
    WHEN session <> '-' THEN 'session:' || session
    WHEN forwarded <> '-' THEN 'client:' || trim(split_part(forwarded, ',', 1), chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) || ' ' || coalesce(agent, '')
    ELSE 'client:' || coalesce(client, '') || ' ' || coalesce(agent, '') END) VIRTUAL);
INSERT INTO requests SELECT seq, input, line, time, method, host, target, template, protocol, status, bytes_in, bytes_out, latency,
  client, forwarded, "user", session, referrer, agent, cache, body, label, size FROM old_requests;
DROP TABLE old_requests;
`, `
ALTER TABLE requests RENAME TO old_requests;
CREATE TABLE request_rows (
  seq BIGINT NOT NULL, input BIGINT NOT NULL, line BIGINT NOT NULL, time TIMESTAMP,
  method VARCHAR ` + dict + `, host VARCHAR ` + dict + `, target VARCHAR NOT NULL USING COMPRESSION uncompressed, template VARCHAR NOT NULL ` + dict + `, protocol VARCHAR ` + dict + `,
  status INTEGER, bytes_in BIGINT, bytes_out BIGINT, latency DOUBLE,
  client VARCHAR ` + dict + `, forwarded VARCHAR ` + dict + `, "user" VARCHAR ` + dict + `, session VARCHAR ` + dict + `, referrer VARCHAR ` + dict + `, agent VARCHAR ` + dict + `,
  cache VARCHAR ` + dict + `, body VARCHAR, label VARCHAR ` + dict + `, size INTEGER NOT NULL);
INSERT INTO request_rows SELECT seq, input, line, time, method, host, target, template, protocol, status, bytes_in, bytes_out, latency,
  client, forwarded, "user", session, referrer, agent, cache, body, label, size FROM old_requests;
DROP TABLE old_requests;
CREATE VIEW requests AS SELECT *, CASE
    WHEN "user" <> '-' THEN 'user:' || "user"
    WHEN session <> '-' THEN 'session:' || session
    WHEN forwarded <> '-' THEN 'client:' || trim(split_part(forwarded, ',', 1), chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) || ' ' || coalesce(agent, '')
    ELSE 'client:' || coalesce(client, '') || ' ' || coalesce(agent, '') END AS principal FROM request_rows;
`}
}

// dict names the compression of text columns. DuckDB would try each of its ways
// on every column of every row group, which costs more than it saves: a log
// repeats its texts. Targets are an exception: most occur once or twice, and a
// dictionary of them takes a tenth of an ingest's time to save a tenth of the file.
const dict = "USING COMPRESSION dictionary"

// flowColumns are the column names of table flows, in the order of
// traffic.FlowColumns: "Flow Bytes/s" is flow_bytes_s.
func flowColumns() []string {
	var out []string
	for _, n := range traffic.FlowColumns() {
		out = append(out, strings.NewReplacer(" ", "_", "/", "_").Replace(strings.ToLower(n)))
	}
	return out
}
