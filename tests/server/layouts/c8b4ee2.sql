BEGIN TRANSACTION;
CREATE TABLE agents (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	sweep_id INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	host TEXT NOT NULL,
	created_at FLOAT NOT NULL,
	heartbeat_at FLOAT NOT NULL,
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE,
	UNIQUE (name)
);
INSERT INTO "agents" VALUES(1,1,'f4d7032e','h',1000010.0,1000020.0);
CREATE TABLE alerts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run_id INTEGER NOT NULL,
	title TEXT NOT NULL,
	text TEXT NOT NULL,
	level VARCHAR(16) NOT NULL,
	wait FLOAT NOT NULL,
	created_at FLOAT NOT NULL,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE aliases (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	membership_id INTEGER NOT NULL,
	collection_id INTEGER NOT NULL,
	alias VARCHAR(256) NOT NULL,
	UNIQUE (collection_id, alias),
	FOREIGN KEY(membership_id) REFERENCES memberships (id) ON DELETE CASCADE,
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE
);
INSERT INTO "aliases" VALUES(1,3,1,'latest');
INSERT INTO "aliases" VALUES(3,1,1,'best');
INSERT INTO "aliases" VALUES(7,3,1,'last');
INSERT INTO "aliases" VALUES(8,4,4,'latest');
CREATE TABLE api_keys (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name VARCHAR(128) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	created_at FLOAT NOT NULL,
	revoked_at FLOAT,
	UNIQUE (name),
	UNIQUE (digest)
);
INSERT INTO "api_keys" VALUES(1,'tester','954a6216e4dfdbdf4af93ac3def0605078f0f74ad65cc8b3f24b4cea5a5f0cb3',1000000.0,NULL);
INSERT INTO "api_keys" VALUES(2,'gone','e9ce80ea6fb9a842efbc944247ff389cac5ea0393df4cb2743ee3abb0bfb7a4c',1000001.0,1000002.0);
CREATE TABLE artifact_clients (
	client_id VARCHAR(256) NOT NULL,
	artifact_id INTEGER NOT NULL,
	PRIMARY KEY (client_id),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
);
INSERT INTO "artifact_clients" VALUES('client-a',1);
CREATE TABLE artifact_files (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(1024) NOT NULL,
	md5 VARCHAR(256) NOT NULL,
	blob_id INTEGER,
	UNIQUE (artifact_id, name),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(blob_id) REFERENCES blobs (id)
);
INSERT INTO "artifact_files" VALUES(1,1,'w.txt','+XxdKZQb+xsv2rCHSQargg==',4);
INSERT INTO "artifact_files" VALUES(2,1,'d/b.txt','UQN6SjdzD1LIcyWG06qjFg==',5);
INSERT INTO "artifact_files" VALUES(4,3,'w.txt','NdbTNGeq6aLj3MtLawJ4eA==',9);
INSERT INTO "artifact_files" VALUES(5,4,'x.txt','PE0J5O9Qs3CuDvrNtD7C3Q==',11);
INSERT INTO "artifact_files" VALUES(6,5,'w.txt','x1Ydt6QY3TmyIB3+EQq0pA==',13);
CREATE TABLE artifact_outputs (
	artifact_id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	PRIMARY KEY (artifact_id, run_id),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE artifact_tags (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	UNIQUE (artifact_id, name),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
);
INSERT INTO "artifact_tags" VALUES(1,1,'good');
CREATE TABLE artifact_types (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	project_id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	description TEXT,
	created_at FLOAT NOT NULL,
	UNIQUE (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "artifact_types" VALUES(1,1,'model',NULL,1000020.0);
INSERT INTO "artifact_types" VALUES(4,1,'dataset',NULL,1000022.0);
CREATE TABLE artifact_uses (
	artifact_id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	PRIMARY KEY (artifact_id, run_id),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "artifact_uses" VALUES(1,3);
CREATE TABLE artifacts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	collection_id INTEGER NOT NULL,
	digest VARCHAR(256) NOT NULL,
	state VARCHAR(16) NOT NULL,
	description TEXT,
	metadata TEXT,
	distributed_id VARCHAR(256),
	wanted_aliases TEXT,
	ttl_seconds BIGINT,
	history_step BIGINT,
	run_id INTEGER,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE SET NULL
);
INSERT INTO "artifacts" VALUES(1,1,'f2248a44784a0ad1af719dbbb6e466ca','COMMITTED','the first','{"k": 1}',NULL,NULL,NULL,NULL,1,1000020.0,1000020.0);
INSERT INTO "artifacts" VALUES(3,1,'6a458005bebde606c8b0f05b6d5fa131','COMMITTED',NULL,NULL,NULL,NULL,NULL,NULL,1,1000022.0,1000022.0);
INSERT INTO "artifacts" VALUES(4,4,'0b142e1f3183e11590d9bbe0e274051f','COMMITTED',NULL,NULL,NULL,NULL,NULL,NULL,1,1000022.0,1000022.0);
INSERT INTO "artifacts" VALUES(5,1,'849a749762f184fdb1d7150e40e4c5fc','PENDING',NULL,NULL,NULL,'["waits"]',NULL,NULL,1,1000022.0,1000022.0);
CREATE TABLE attempts (
	sweep_id INTEGER NOT NULL,
	run VARCHAR(128) NOT NULL,
	number INTEGER NOT NULL,
	agent VARCHAR(64) NOT NULL,
	PRIMARY KEY (sweep_id, run),
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO "attempts" VALUES(1,'ab1d2300-0000',0,'f4d7032e');
INSERT INTO "attempts" VALUES(1,'ab1d2300-0001',1,'f4d7032e');
INSERT INTO "attempts" VALUES(1,'ab1d2300-0002',2,'f4d7032e');
CREATE TABLE blobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	path VARCHAR(64) NOT NULL,
	size BIGINT NOT NULL,
	md5 VARCHAR(32) NOT NULL,
	UNIQUE (path)
);
INSERT INTO "blobs" VALUES(2,'14508ed15c20310eeb08b753e0f0cdb8',16,'XDD6iQyGxR7+ZSJXbMC75g==');
INSERT INTO "blobs" VALUES(3,'3c43d2b7f7b2ecc30f1f6a69e5cf544b',8,'ybaVx7++Zc+bvmlFivX8fw==');
INSERT INTO "blobs" VALUES(4,'a6753b1d7d3c1b2cef90befecd11a494',3,'+XxdKZQb+xsv2rCHSQargg==');
INSERT INTO "blobs" VALUES(5,'e5aa84efa6be047d68188b373db3a4e5',4,'UQN6SjdzD1LIcyWG06qjFg==');
INSERT INTO "blobs" VALUES(6,'3f82fa67ad63c51074f1de9a1e1013c2',194,'fxZDMszFdj3mkhSCeQx6Mg==');
INSERT INTO "blobs" VALUES(7,'a37ebe07158a2ecbd2129c6e0ce5fc36',3,'uKn3Fdu2T9XFbneDxoIKYQ==');
INSERT INTO "blobs" VALUES(8,'a2ca47c7276d1a4e0d80ca49490bd4d7',132,'a3AxzjaTJq26Ovo8wBksSw==');
INSERT INTO "blobs" VALUES(9,'1913878b5f29d2859117f72473d99cd0',5,'NdbTNGeq6aLj3MtLawJ4eA==');
INSERT INTO "blobs" VALUES(10,'e87f01560a56f68e7b57174b6475a025',132,'FAOfi6I+wXEAv2NR1kwo4g==');
INSERT INTO "blobs" VALUES(11,'50136839fe3b0140b6e4c0bbe6440c6a',7,'PE0J5O9Qs3CuDvrNtD7C3Q==');
INSERT INTO "blobs" VALUES(12,'385c68cdbeb5f9f69c9ca32889fa9b28',132,'FaIvrWZesdt6G3k3DRS7lA==');
INSERT INTO "blobs" VALUES(13,'2cd872a6184754cd45fbdb7a30d9d79d',5,'x1Ydt6QY3TmyIB3+EQq0pA==');
INSERT INTO "blobs" VALUES(14,'223e954778db7b57198ccd62b7ad32e1',132,'/jajLxQi8U+dwDVx9JyRaQ==');
CREATE TABLE collection_tags (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	collection_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	UNIQUE (collection_id, name),
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE
);
CREATE TABLE collections (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	project_id INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	type VARCHAR(128) NOT NULL,
	name VARCHAR(256) NOT NULL,
	description TEXT,
	next_version INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	UNIQUE (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "collections" VALUES(1,1,'SEQUENCE','model','m',NULL,3,1000020.0);
INSERT INTO "collections" VALUES(4,1,'SEQUENCE','dataset','data',NULL,1,1000022.0);
CREATE TABLE deleted_runs (
	project_id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	deleted_at FLOAT NOT NULL,
	PRIMARY KEY (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
CREATE TABLE files (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run_id INTEGER NOT NULL,
	name VARCHAR(1024) NOT NULL,
	blob_id INTEGER NOT NULL,
	updated_at FLOAT NOT NULL,
	UNIQUE (run_id, name),
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE,
	FOREIGN KEY(blob_id) REFERENCES blobs (id)
);
INSERT INTO "files" VALUES(1,1,'config.yaml',3,1000005.0);
INSERT INTO "files" VALUES(2,1,'media/table.json',2,1000005.0);
CREATE TABLE lines (
	run_id INTEGER NOT NULL,
	stream SMALLINT NOT NULL,
	writer VARCHAR(64) NOT NULL,
	line INTEGER NOT NULL,
	step BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (run_id, stream, writer, line),
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "lines" VALUES(1,0,'',0,0,'{"_step": 0, "_timestamp": 1000005.0, "loss": 1.0, "nested": {"a": 0}}');
INSERT INTO "lines" VALUES(1,0,'',1,1,'{"_step": 1, "_timestamp": 1000006.0, "loss": 0.5, "nested": {"a": 1}}');
INSERT INTO "lines" VALUES(1,0,'',2,2,'{"_step": 2, "_timestamp": 1000007.0, "loss": 0.3333333333333333, "nested": {"a": 2}}');
INSERT INTO "lines" VALUES(1,0,'',3,3,'{"_step": 3, "_timestamp": 1000008.0, "loss": 0.25, "nested": {"a": 3}}');
INSERT INTO "lines" VALUES(1,1,'',0,0,'{"system.cpu": 3, "_timestamp": 1000005.0}');
INSERT INTO "lines" VALUES(1,2,'',0,0,'2026-01-01T00:00:00 hello
');
INSERT INTO "lines" VALUES(1,2,'',1,1,'it''s; -- done é
');
INSERT INTO "lines" VALUES(3,0,'',0,0,'{"_step": 0, "loss": 3.0}');
INSERT INTO "lines" VALUES(4,0,'worker',0,0,'{"_step": 0, "x": 1}');
INSERT INTO "lines" VALUES(4,0,'worker',1,1,'{"_step": 1, "x": 2}');
INSERT INTO "lines" VALUES(5,0,'',0,0,'{"_step": 0, "score": 0.5}');
INSERT INTO "lines" VALUES(6,0,'',0,0,'{"_step": 0, "score": 0.1}');
INSERT INTO "lines" VALUES(7,0,'',0,0,'{"_step": 0, "score": 0.3}');
CREATE TABLE manifests (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	digest VARCHAR(256) NOT NULL,
	type VARCHAR(16) NOT NULL,
	base_id INTEGER,
	blob_id INTEGER,
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(blob_id) REFERENCES blobs (id)
);
INSERT INTO "manifests" VALUES(1,1,'wandb_manifest.json','x','FULL',NULL,6);
INSERT INTO "manifests" VALUES(3,3,'wandb_manifest.json','x','FULL',NULL,10);
INSERT INTO "manifests" VALUES(4,4,'wandb_manifest.json','x','FULL',NULL,12);
INSERT INTO "manifests" VALUES(5,5,'wandb_manifest.json','x','FULL',NULL,14);
CREATE TABLE memberships (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	collection_id INTEGER NOT NULL,
	artifact_id INTEGER NOT NULL,
	version INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	UNIQUE (collection_id, artifact_id),
	UNIQUE (collection_id, version),
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE,
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
);
INSERT INTO "memberships" VALUES(1,1,1,0,1000020.0);
INSERT INTO "memberships" VALUES(3,1,3,2,1000022.0);
INSERT INTO "memberships" VALUES(4,4,4,0,1000022.0);
CREATE TABLE projects (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	entity VARCHAR(128) NOT NULL,
	name VARCHAR(128) NOT NULL,
	description TEXT,
	created_at FLOAT NOT NULL,
	UNIQUE (entity, name)
);
INSERT INTO "projects" VALUES(1,'kag','p',NULL,1000000.0);
INSERT INTO "projects" VALUES(2,'kag','other',NULL,1000010.0);
CREATE TABLE runs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	project_id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	sweep_id INTEGER,
	display_name TEXT NOT NULL,
	config TEXT NOT NULL,
	summary TEXT NOT NULL,
	history_keys TEXT NOT NULL,
	tags TEXT NOT NULL,
	description TEXT,
	notes TEXT,
	group_name TEXT,
	job_type TEXT,
	host TEXT,
	program TEXT,
	repo TEXT,
	"commit" TEXT,
	user VARCHAR(128) NOT NULL,
	state VARCHAR(16) NOT NULL,
	exit_code INTEGER,
	should_stop BOOLEAN NOT NULL,
	restarted SMALLINT NOT NULL,
	created_at FLOAT NOT NULL,
	heartbeat_at FLOAT NOT NULL,
	UNIQUE (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE SET NULL
);
INSERT INTO "runs" VALUES(1,1,'first',NULL,'The first','{"lr": {"value": 0.1}, "deep": {"value": {"a": [1, null, "x"]}}}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 3}, "_timestamp": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 1000008.0}, "loss": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 0.25}, "nested.a": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 3}}, "lastStep": 3, "sets": []}','["a", "b"]',NULL,'a note
of ''two'' lines; ü','g','train','h','train.py',NULL,'0000000000000000000000000000000000000000','tester','running',NULL,0,7,1000000.0,1000020.0);
INSERT INTO "runs" VALUES(2,2,'second',NULL,'second','{}','{}','{}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','running',NULL,0,0,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(3,1,'failed',NULL,'failed','{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "loss": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 3.0}}, "lastStep": 0, "sets": []}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','failed',1,0,0,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(4,1,'shared',NULL,'shared','{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 2}], "monotonic": false, "previousValue": 1}, "x": {"typeCounts": [{"type": "number", "count": 2}], "monotonic": false, "previousValue": 2}}, "lastStep": 1, "sets": []}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','running',NULL,0,0,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(5,1,'ab1d2300-0000',1,'ab1d2300-0000','{"x": {"value": 1}}','{"score": 0.5}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.5}}, "lastStep": 0, "sets": []}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','finished',0,0,0,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(6,1,'ab1d2300-0001',1,'ab1d2300-0001','{"x": {"value": 1}}','{"score": 0.1}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.1}}, "lastStep": 0, "sets": []}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','failed',1,0,0,1000015.0,1000015.0);
INSERT INTO "runs" VALUES(7,1,'ab1d2300-0002',1,'ab1d2300-0002','{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.3}}, "lastStep": 0, "sets": []}','[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'tester','running',NULL,0,0,1000020.0,1000020.0);
CREATE TABLE secrets (
	name VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "secrets" VALUES('links','5ada6adc6d3be94f81738e28bf554f12414b0de44f48be18cd9d69c081e0aa95');
CREATE TABLE sweeps (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	project_id INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	config TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	display_name TEXT,
	description TEXT,
	controller TEXT,
	scheduler TEXT,
	seed BIGINT NOT NULL,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	UNIQUE (name)
);
INSERT INTO "sweeps" VALUES(1,1,'ab1d2300','method: grid
program: train.py
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2.5, three]}}
','RUNNING','grid of x',NULL,NULL,NULL,1324887159,1000010.0,1000010.0);
CREATE TABLE tickets (
	digest VARCHAR(64) NOT NULL,
	user VARCHAR(128) NOT NULL,
	until FLOAT NOT NULL,
	PRIMARY KEY (digest)
);
CREATE TABLE trials (
	sweep_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	run VARCHAR(128),
	body TEXT NOT NULL,
	PRIMARY KEY (sweep_id, number),
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO "trials" VALUES(1,0,'5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22','finished','ab1d2300-0000','{"id":0,"params":{"x":1},"state":"finished","history":[],"value":0.5,"run":"ab1d2300-0000","agent":"f4d7032e","attempt":1,"failures":0,"losses":0,"confirmed":false,"ended":false,"preempting":false,"resent":false,"stopping":false,"lease_until":1000070.0}');
INSERT INTO "trials" VALUES(1,1,'25b934393cfa55ee8731d92ce0707735ea809bca2bb7bd099640940014139470','free','ab1d2300-0001','{"id":1,"params":{"x":2.5},"state":"free","history":[],"value":0.1,"run":"ab1d2300-0001","agent":null,"attempt":1,"failures":1,"losses":0,"confirmed":false,"ended":true,"preempting":false,"resent":false,"stopping":false,"lease_until":1000075.0}');
INSERT INTO "trials" VALUES(1,2,'e683de1672866dd480c3211dc002af70aa7a85bd14a6b3e5931dd931fbea6d16','leased','ab1d2300-0002','{"id":2,"params":{"x":"three"},"state":"leased","history":[],"value":null,"run":"ab1d2300-0002","agent":"f4d7032e","attempt":1,"failures":0,"losses":0,"confirmed":true,"ended":false,"preempting":false,"resent":false,"stopping":false,"lease_until":1000080.0}');
CREATE INDEX ix_blobs_md5 ON blobs (md5);
CREATE INDEX ix_sweeps_project_id ON sweeps (project_id);
CREATE INDEX ix_artifact_types_project_id ON artifact_types (project_id);
CREATE INDEX ix_collections_project_id ON collections (project_id);
CREATE INDEX ix_runs_project_id ON runs (project_id);
CREATE INDEX ix_runs_sweep_id ON runs (sweep_id);
CREATE INDEX ix_agents_sweep_id ON agents (sweep_id);
CREATE INDEX ix_trials_run ON trials (run);
CREATE INDEX ix_collection_tags_collection_id ON collection_tags (collection_id);
CREATE INDEX lines_by_step ON lines (run_id, stream, step);
CREATE INDEX ix_files_run_id ON files (run_id);
CREATE INDEX ix_alerts_run_id ON alerts (run_id);
CREATE INDEX ix_artifacts_run_id ON artifacts (run_id);
CREATE INDEX ix_artifacts_distributed_id ON artifacts (distributed_id);
CREATE INDEX ix_artifacts_ttl_seconds ON artifacts (ttl_seconds);
CREATE INDEX ix_artifacts_collection_id ON artifacts (collection_id);
CREATE INDEX ix_artifact_clients_artifact_id ON artifact_clients (artifact_id);
CREATE INDEX ix_memberships_artifact_id ON memberships (artifact_id);
CREATE INDEX ix_artifact_tags_artifact_id ON artifact_tags (artifact_id);
CREATE INDEX ix_manifests_artifact_id ON manifests (artifact_id);
CREATE INDEX ix_artifact_files_blob_id ON artifact_files (blob_id);
CREATE INDEX ix_artifact_files_artifact_id ON artifact_files (artifact_id);
CREATE INDEX ix_aliases_membership_id ON aliases (membership_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('api_keys',2);
INSERT INTO "sqlite_sequence" VALUES('projects',14);
INSERT INTO "sqlite_sequence" VALUES('runs',7);
INSERT INTO "sqlite_sequence" VALUES('blobs',14);
INSERT INTO "sqlite_sequence" VALUES('files',3);
INSERT INTO "sqlite_sequence" VALUES('sweeps',1);
INSERT INTO "sqlite_sequence" VALUES('agents',1);
INSERT INTO "sqlite_sequence" VALUES('artifact_types',5);
INSERT INTO "sqlite_sequence" VALUES('collections',5);
INSERT INTO "sqlite_sequence" VALUES('artifacts',5);
INSERT INTO "sqlite_sequence" VALUES('artifact_tags',1);
INSERT INTO "sqlite_sequence" VALUES('artifact_files',6);
INSERT INTO "sqlite_sequence" VALUES('manifests',5);
INSERT INTO "sqlite_sequence" VALUES('memberships',4);
INSERT INTO "sqlite_sequence" VALUES('aliases',8);
COMMIT;
