-- A ledger as version 4 of its schema wrote it: two receivers with late amounts among the dead, little-endian.
PRAGMA application_id=1414548529;
PRAGMA user_version=4;
CREATE TABLE buried (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        PRIMARY KEY (receiver_id, reason)
    ) WITHOUT ROWID;
INSERT INTO "buried" VALUES(1,'conflict',1);
INSERT INTO "buried" VALUES(1,'full',1);
INSERT INTO "buried" VALUES(1,'late_amount',1);
INSERT INTO "buried" VALUES(2,'late_amount',1);
CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY,
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        reason TEXT NOT NULL,
        status INTEGER,
        text TEXT NOT NULL,
        died INTEGER NOT NULL,
        UNIQUE (receiver_id, number)
    );
INSERT INTO "dead_letter" VALUES(1,1,7,1700001000000,1,2.0,'late_amount',NULL,'',1700002201000);
INSERT INTO "dead_letter" VALUES(2,2,7,1700001000000,1,2.0,'late_amount',NULL,'',1700002201000);
INSERT INTO "dead_letter" VALUES(3,1,2,1700000700000,1,1.5,'conflict',400,'no',1700000400000);
CREATE TABLE kept_list (
        job TEXT NOT NULL,
        name TEXT NOT NULL,
        asked_at INTEGER,
        listed_at INTEGER,
        empty INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (job, name)
    );
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
INSERT INTO "lane" VALUES(1,'job','',2,1700001600000,1700000700000,NULL,1700002200000,1700002201000,1700002200000,NULL,NULL);
CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        commits INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        is_clean INTEGER NOT NULL,
        byte_order TEXT NOT NULL
    );
INSERT INTO "ledger" VALUES(1,2,1,1,'little');
CREATE TABLE life (
        id INTEGER PRIMARY KEY,
        out_series_id INTEGER NOT NULL,
        start INTEGER,
        series_id INTEGER UNIQUE REFERENCES series ON DELETE SET NULL
    );
INSERT INTO "life" VALUES(1,1,1700000400000,1);
INSERT INTO "life" VALUES(2,2,NULL,2);
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
INSERT INTO "metric" VALUES(2,1,'x','gauge//',604800000,1700001600000,1700002200000);
CREATE TABLE out_family (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        help TEXT NOT NULL,
        unit TEXT NOT NULL
    );
INSERT INTO "out_family" VALUES(1,'x_total','counter','Help.','');
INSERT INTO "out_family" VALUES(2,'x','gauge','Help.','');
CREATE TABLE out_series (
        id INTEGER PRIMARY KEY,
        family_id INTEGER NOT NULL REFERENCES out_family,
        text TEXT NOT NULL UNIQUE
    );
INSERT INTO "out_series" VALUES(1,1,'x_total{a="x"}');
INSERT INTO "out_series" VALUES(2,2,'x');
CREATE TABLE parked (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        status INTEGER,
        PRIMARY KEY (receiver_id, number)
    ) WITHOUT ROWID;
INSERT INTO "parked" VALUES(1,4,1700000700000,2,3.0,1700000400000,1700000400000,500);
CREATE TABLE pending (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        at INTEGER NOT NULL,
        number INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (receiver_id, at, number)
    ) WITHOUT ROWID;
INSERT INTO "pending" VALUES(1,1700001300000,3,1,5.5);
INSERT INTO "pending" VALUES(1,1700001300000,8,2,7.0);
INSERT INTO "pending" VALUES(1,1700001600000,6,1,15.5);
INSERT INTO "pending" VALUES(1,1700001600000,9,2,9.0);
INSERT INTO "pending" VALUES(2,1700000400000,1,1,0.0);
INSERT INTO "pending" VALUES(2,1700000700000,2,1,1.5);
INSERT INTO "pending" VALUES(2,1700000700000,4,2,3.0);
INSERT INTO "pending" VALUES(2,1700001000000,5,2,5.0);
INSERT INTO "pending" VALUES(2,1700001300000,3,1,5.5);
INSERT INTO "pending" VALUES(2,1700001300000,8,2,7.0);
INSERT INTO "pending" VALUES(2,1700001600000,6,1,15.5);
INSERT INTO "pending" VALUES(2,1700001600000,9,2,9.0);
CREATE TABLE quota (
        source TEXT NOT NULL,
        period TEXT NOT NULL,
        start INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used >= 0),
        PRIMARY KEY (source, period, start)
    );
CREATE TABLE receiver (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        version TEXT,
        enqueued INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0,
        pending INTEGER NOT NULL DEFAULT 0,
        parked INTEGER NOT NULL DEFAULT 0,
        letters INTEGER NOT NULL DEFAULT 0,
        CHECK (enqueued = acknowledged + dead + pending AND parked BETWEEN 0 AND pending AND letters BETWEEN 0 AND dead)
    );
INSERT INTO "receiver" VALUES(1,'a','2.0',9,1,3,5,1,2);
INSERT INTO "receiver" VALUES(2,'b',NULL,9,0,1,8,0,1);
CREATE TABLE sent (
        out_series_id INTEGER NOT NULL REFERENCES out_series ON DELETE CASCADE,
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        until INTEGER NOT NULL,
        PRIMARY KEY (out_series_id, receiver_id)
    ) WITHOUT ROWID;
INSERT INTO "sent" VALUES(1,1,1700000400000);
CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        metric_id INTEGER NOT NULL REFERENCES metric ON DELETE CASCADE,
        text TEXT NOT NULL,
        created INTEGER NOT NULL,
        zero_until INTEGER NOT NULL
    );
INSERT INTO "series" VALUES(1,1,'{a="x"}',1700001901000,1700002021000);
INSERT INTO "series" VALUES(2,2,'',1700001901000,0);
CREATE TABLE source (name TEXT PRIMARY KEY, last_request INTEGER);
CREATE TABLE state (
        id INTEGER PRIMARY KEY REFERENCES series ON DELETE CASCADE,
        value REAL,
        carry REAL NOT NULL,
        debt REAL NOT NULL CHECK (debt >= 0),
        seen_at INTEGER NOT NULL,
        recent BLOB NOT NULL
    );
INSERT INTO "state" VALUES(1,15.5,0.0,0.0,1700002200000,X'01040000008082EBCF8B010000E093040000000000E093040000000000000000000000F83F000000000000004000000000000010400000000000002040');
INSERT INTO "state" VALUES(2,9.0,0.0,0.0,1700002200000,X'01040000008082EBCF8B010000E093040000000000E093040000000000000000000000084000000000000014400000000000001C400000000000002240');
CREATE INDEX series_of_metric ON series (metric_id);
