-- A ledger as version 3 of its schema wrote it: two runs of a counter and a gauge, on a little-endian machine.
PRAGMA application_id=1414548529;
PRAGMA user_version=3;
CREATE TABLE kept_list (
        job TEXT NOT NULL,
        name TEXT NOT NULL,
        asked_at INTEGER,
        listed_at INTEGER,
        empty INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (job, name)
    );
INSERT INTO "kept_list" VALUES('job','zone',1700000400000,1700000400000,0,'[]');
CREATE TABLE lane (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        lane TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 0,
        watermark INTEGER,
        kept_from INTEGER,
        last_attempt INTEGER,
        last_fire INTEGER,
        last_accepted INTEGER,
        page_since INTEGER NOT NULL DEFAULT 0,
        open_run INTEGER, asked_from INTEGER,
        UNIQUE (job, lane)
    );
INSERT INTO "lane" VALUES(1,'job','',2,1700001600000,1700001600000,1700001000000,1700002200000,1700002201000,1700002200000,NULL,1700000400000);
CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        commits INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        is_clean INTEGER NOT NULL,
        byte_order TEXT NOT NULL
    );
INSERT INTO "ledger" VALUES(1,2,1,1,'little');
CREATE TABLE metric (
        id INTEGER PRIMARY KEY,
        lane_id INTEGER NOT NULL REFERENCES lane ON DELETE CASCADE,
        name TEXT NOT NULL,
        shape TEXT NOT NULL,
        forget_after INTEGER NOT NULL,
        newest INTEGER,
        last_run INTEGER NOT NULL,
        UNIQUE (lane_id, name, shape)
    );
INSERT INTO "metric" VALUES(1,1,'x_total','counter/delta/',604800000,1700001600000,1700002200000);
INSERT INTO "metric" VALUES(2,1,'x','gauge//',604800000,1700001300000,1700002200000);
CREATE TABLE quota (
        source TEXT NOT NULL,
        period TEXT NOT NULL,
        start INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used >= 0),
        PRIMARY KEY (source, period, start)
    );
INSERT INTO "quota" VALUES('api','day UTC',1700000400000,3);
CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        metric_id INTEGER NOT NULL REFERENCES metric ON DELETE CASCADE,
        text TEXT NOT NULL,
        created INTEGER NOT NULL,
        zero_until INTEGER NOT NULL
    );
INSERT INTO "series" VALUES(1,1,'{a="x"}',1700001601000,1700001721000);
INSERT INTO "series" VALUES(2,2,'',1700001601000,0);
CREATE TABLE source (name TEXT PRIMARY KEY, last_request INTEGER);
INSERT INTO "source" VALUES('api',1700000400000);
CREATE TABLE state (
        id INTEGER PRIMARY KEY REFERENCES series ON DELETE CASCADE,
        value REAL,
        carry REAL NOT NULL,
        debt REAL NOT NULL CHECK (debt >= 0),
        seen_at INTEGER NOT NULL,
        recent BLOB NOT NULL
    );
INSERT INTO "state" VALUES(1,15.0,0.0,0.0,1700002200000,X'0101000000203EF9CF8B010000E09304000000000000000000000000000000000000002040');
INSERT INTO "state" VALUES(2,22.0,0.0,0.0,1700002200000,X'');
CREATE INDEX series_of_metric ON series (metric_id);
