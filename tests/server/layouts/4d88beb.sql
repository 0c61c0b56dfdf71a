BEGIN TRANSACTION;
CREATE TABLE agents (
	id INTEGER NOT NULL,
	sweep_id INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	host TEXT NOT NULL,
	created_at FLOAT NOT NULL,
	heartbeat_at FLOAT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE,
	UNIQUE (name)
);
INSERT INTO "agents" VALUES(1,1,'79728faf','h',1000010.0,1000020.0);
CREATE TABLE aliases (
	id INTEGER NOT NULL,
	artifact_id INTEGER NOT NULL,
	collection_id INTEGER NOT NULL,
	alias VARCHAR(256) NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (collection_id, alias),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE
);
INSERT INTO "aliases" VALUES(1,3,1,'latest');
INSERT INTO "aliases" VALUES(2,1,1,'best');
INSERT INTO "aliases" VALUES(3,3,1,'last');
INSERT INTO "aliases" VALUES(4,4,2,'latest');
INSERT INTO "aliases" VALUES(5,5,1,'waits');
CREATE TABLE api_keys (
	id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	created_at FLOAT NOT NULL,
	revoked_at FLOAT,
	PRIMARY KEY (id),
	UNIQUE (name),
	UNIQUE (digest)
);
INSERT INTO "api_keys" VALUES(1,'tester','cc3d1e7bb58d257142799571162b19515dd676e5ce5151a32b7d75924bcf1282',1000000.0,NULL);
INSERT INTO "api_keys" VALUES(2,'gone','d3b92ca13dc2763ec69cb1bad0f5da6685d33a78651b6098fe368f98908202d5',1000001.0,1000002.0);
CREATE TABLE artifact_files (
	id INTEGER NOT NULL,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(1024) NOT NULL,
	md5 VARCHAR(256) NOT NULL,
	blob_id INTEGER,
	PRIMARY KEY (id),
	UNIQUE (artifact_id, name),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(blob_id) REFERENCES blobs (id)
);
INSERT INTO "artifact_files" VALUES(1,1,'w.txt','+XxdKZQb+xsv2rCHSQargg==',4);
INSERT INTO "artifact_files" VALUES(2,1,'d/b.txt','UQN6SjdzD1LIcyWG06qjFg==',5);
INSERT INTO "artifact_files" VALUES(4,3,'w.txt','NdbTNGeq6aLj3MtLawJ4eA==',9);
INSERT INTO "artifact_files" VALUES(5,4,'x.txt','PE0J5O9Qs3CuDvrNtD7C3Q==',11);
INSERT INTO "artifact_files" VALUES(6,5,'w.txt','x1Ydt6QY3TmyIB3+EQq0pA==',13);
CREATE TABLE artifact_tags (
	id INTEGER NOT NULL,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (artifact_id, name),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
);
INSERT INTO "artifact_tags" VALUES(1,1,'good');
CREATE TABLE artifact_uses (
	artifact_id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	PRIMARY KEY (artifact_id, run_id),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "artifact_uses" VALUES(1,3);
CREATE TABLE artifacts (
	id INTEGER NOT NULL,
	collection_id INTEGER NOT NULL,
	version INTEGER,
	digest VARCHAR(256) NOT NULL,
	state VARCHAR(16) NOT NULL,
	description TEXT,
	metadata TEXT,
	client_id VARCHAR(256),
	run_id INTEGER,
	created_at FLOAT NOT NULL,
	updated_at FLOAT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE,
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE SET NULL
);
INSERT INTO "artifacts" VALUES(1,1,0,'f2248a44784a0ad1af719dbbb6e466ca','COMMITTED','the first','{"k": 1}','client-a',1,1000020.0,1000020.0);
INSERT INTO "artifacts" VALUES(3,1,2,'6a458005bebde606c8b0f05b6d5fa131','COMMITTED',NULL,NULL,NULL,1,1000022.0,1000022.0);
INSERT INTO "artifacts" VALUES(4,2,0,'0b142e1f3183e11590d9bbe0e274051f','COMMITTED',NULL,NULL,NULL,1,1000022.0,1000022.0);
INSERT INTO "artifacts" VALUES(5,1,NULL,'849a749762f184fdb1d7150e40e4c5fc','PENDING',NULL,NULL,NULL,1,1000022.0,1000022.0);
CREATE TABLE attempts (
	sweep_id INTEGER NOT NULL,
	run VARCHAR(128) NOT NULL,
	number INTEGER NOT NULL,
	agent VARCHAR(64) NOT NULL,
	PRIMARY KEY (sweep_id, run),
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO "attempts" VALUES(1,'2429d9b3-0000',0,'79728faf');
INSERT INTO "attempts" VALUES(1,'2429d9b3-0001',1,'79728faf');
INSERT INTO "attempts" VALUES(1,'2429d9b3-0002',2,'79728faf');
CREATE TABLE blobs (
	id INTEGER NOT NULL,
	path VARCHAR(64) NOT NULL,
	size BIGINT NOT NULL,
	md5 VARCHAR(32) NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (path)
);
INSERT INTO "blobs" VALUES(2,'bc7c75726dff55dd5835ac28491db0d3',16,'XDD6iQyGxR7+ZSJXbMC75g==');
INSERT INTO "blobs" VALUES(3,'ecc472edb8bbf3e1c51c9e072dd12b4a',8,'ybaVx7++Zc+bvmlFivX8fw==');
INSERT INTO "blobs" VALUES(4,'67092da44dde23517745e4d340635d64',3,'+XxdKZQb+xsv2rCHSQargg==');
INSERT INTO "blobs" VALUES(5,'686eb16b2546dcbc6c0e62afe7277460',4,'UQN6SjdzD1LIcyWG06qjFg==');
INSERT INTO "blobs" VALUES(6,'fd8321c73ae5105d2824a72cf94ea3e5',194,'fxZDMszFdj3mkhSCeQx6Mg==');
INSERT INTO "blobs" VALUES(7,'0a973eb9f493dd72fb08338f56e354b2',3,'uKn3Fdu2T9XFbneDxoIKYQ==');
INSERT INTO "blobs" VALUES(8,'2dceb9c3c6ec8e437d6c5569cce29526',132,'a3AxzjaTJq26Ovo8wBksSw==');
INSERT INTO "blobs" VALUES(9,'546c2b1e2ce5d6dc0bb6e6381a354d89',5,'NdbTNGeq6aLj3MtLawJ4eA==');
INSERT INTO "blobs" VALUES(10,'0a1b78a5cac3155a24ad8d17f02da8d1',132,'FAOfi6I+wXEAv2NR1kwo4g==');
INSERT INTO "blobs" VALUES(11,'de09bc0ccd9e6c3f90f029a6c1aafc2f',7,'PE0J5O9Qs3CuDvrNtD7C3Q==');
INSERT INTO "blobs" VALUES(12,'fef77176b5eefc88064084e1997adade',132,'FaIvrWZesdt6G3k3DRS7lA==');
INSERT INTO "blobs" VALUES(13,'a3d3f625de74292ef8d4e3cf2ff5bb46',5,'x1Ydt6QY3TmyIB3+EQq0pA==');
INSERT INTO "blobs" VALUES(14,'87f2991e0abab77f5e9705fa97e696f8',132,'/jajLxQi8U+dwDVx9JyRaQ==');
CREATE TABLE collections (
	id INTEGER NOT NULL,
	project_id INTEGER NOT NULL,
	type VARCHAR(128) NOT NULL,
	name VARCHAR(256) NOT NULL,
	created_at FLOAT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "collections" VALUES(1,1,'model','m',1000020.0);
INSERT INTO "collections" VALUES(2,1,'dataset','data',1000022.0);
CREATE TABLE files (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	name VARCHAR(1024) NOT NULL,
	blob_id INTEGER NOT NULL,
	updated_at FLOAT NOT NULL,
	PRIMARY KEY (id),
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
	id INTEGER NOT NULL,
	artifact_id INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	digest VARCHAR(256) NOT NULL,
	blob_id INTEGER,
	PRIMARY KEY (id),
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
	FOREIGN KEY(blob_id) REFERENCES blobs (id)
);
INSERT INTO "manifests" VALUES(1,1,'wandb_manifest.json','',6);
INSERT INTO "manifests" VALUES(3,3,'wandb_manifest.json','',10);
INSERT INTO "manifests" VALUES(4,4,'wandb_manifest.json','',12);
INSERT INTO "manifests" VALUES(5,5,'wandb_manifest.json','',14);
CREATE TABLE projects (
	id INTEGER NOT NULL,
	entity VARCHAR(128) NOT NULL,
	name VARCHAR(128) NOT NULL,
	description TEXT,
	created_at FLOAT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (entity, name)
);
INSERT INTO "projects" VALUES(1,'kag','p',NULL,1000000.0);
INSERT INTO "projects" VALUES(2,'kag','other',NULL,1000010.0);
CREATE TABLE runs (
	id INTEGER NOT NULL,
	project_id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	sweep_id INTEGER,
	display_name TEXT NOT NULL,
	description TEXT,
	notes TEXT,
	config TEXT NOT NULL,
	summary TEXT NOT NULL,
	history_keys TEXT NOT NULL,
	group_name TEXT,
	job_type TEXT,
	tags TEXT NOT NULL,
	user VARCHAR(128) NOT NULL,
	host TEXT,
	program TEXT,
	repo TEXT,
	"commit" TEXT,
	state VARCHAR(16) NOT NULL,
	exit_code INTEGER,
	should_stop BOOLEAN NOT NULL,
	restarted SMALLINT NOT NULL,
	resume_asked_at FLOAT,
	created_at FLOAT NOT NULL,
	heartbeat_at FLOAT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (project_id, name),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE SET NULL
);
INSERT INTO "runs" VALUES(1,1,'first',NULL,'The first',NULL,'a note
of ''two'' lines; ü','{"lr": {"value": 0.1}, "deep": {"value": {"a": [1, null, "x"]}}}','{"loss": 0.25, "best": {"auprc": 0.5}}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 3}, "_timestamp": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 1000008.0}, "loss": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 0.25}, "nested.a": {"typeCounts": [{"type": "number", "count": 4}], "monotonic": false, "previousValue": 3}}, "lastStep": 3, "sets": []}','g','train','["a", "b"]','tester','h','train.py',NULL,'0000000000000000000000000000000000000000','running',NULL,0,7,NULL,1000000.0,1000020.0);
INSERT INTO "runs" VALUES(2,2,'second',NULL,'second',NULL,NULL,'{}','{}','{}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'running',NULL,0,0,NULL,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(3,1,'failed',NULL,'failed',NULL,NULL,'{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "loss": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 3.0}}, "lastStep": 0, "sets": []}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'failed',1,0,0,1000010.0,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(4,1,'shared',NULL,'shared',NULL,NULL,'{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 2}], "monotonic": false, "previousValue": 1}, "x": {"typeCounts": [{"type": "number", "count": 2}], "monotonic": false, "previousValue": 2}}, "lastStep": 1, "sets": []}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'running',NULL,0,0,NULL,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(5,1,'2429d9b3-0000',1,'2429d9b3-0000',NULL,NULL,'{"x": {"value": 1}}','{"score": 0.5}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.5}}, "lastStep": 0, "sets": []}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'finished',0,0,0,NULL,1000010.0,1000010.0);
INSERT INTO "runs" VALUES(6,1,'2429d9b3-0001',1,'2429d9b3-0001',NULL,NULL,'{"x": {"value": 1}}','{"score": 0.1}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.1}}, "lastStep": 0, "sets": []}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'failed',1,0,0,NULL,1000015.0,1000015.0);
INSERT INTO "runs" VALUES(7,1,'2429d9b3-0002',1,'2429d9b3-0002',NULL,NULL,'{}','{}','{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0}, "score": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": false, "previousValue": 0.3}}, "lastStep": 0, "sets": []}',NULL,NULL,'[]','tester',NULL,NULL,NULL,NULL,'running',NULL,0,0,NULL,1000020.0,1000020.0);
CREATE TABLE secrets (
	name VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO "secrets" VALUES('links','1d463e6f123b2fcd8933c8d81cdd512392b8d6c8a000ef8b193d4b8641036299');
CREATE TABLE sweeps (
	id INTEGER NOT NULL,
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
	PRIMARY KEY (id),
	FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	UNIQUE (name)
);
INSERT INTO "sweeps" VALUES(1,1,'2429d9b3','method: grid
program: train.py
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2.5, three]}}
','RUNNING','grid of x',NULL,NULL,NULL,1332648411,1000010.0,1000010.0);
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
INSERT INTO "trials" VALUES(1,0,'5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22','finished','2429d9b3-0000','{"id":0,"params":{"x":1},"state":"finished","history":[],"value":0.5,"run":"2429d9b3-0000","agent":"79728faf","attempt":1,"failures":0,"losses":0,"confirmed":false,"ended":false,"resent":false,"stopping":false,"lease_until":1000070.0}');
INSERT INTO "trials" VALUES(1,1,'25b934393cfa55ee8731d92ce0707735ea809bca2bb7bd099640940014139470','free','2429d9b3-0001','{"id":1,"params":{"x":2.5},"state":"free","history":[],"value":0.1,"run":"2429d9b3-0001","agent":null,"attempt":1,"failures":1,"losses":0,"confirmed":false,"ended":true,"resent":false,"stopping":false,"lease_until":1000075.0}');
INSERT INTO "trials" VALUES(1,2,'e683de1672866dd480c3211dc002af70aa7a85bd14a6b3e5931dd931fbea6d16','leased','2429d9b3-0002','{"id":2,"params":{"x":"three"},"state":"leased","history":[],"value":null,"run":"2429d9b3-0002","agent":"79728faf","attempt":1,"failures":0,"losses":0,"confirmed":true,"ended":false,"resent":false,"stopping":false,"lease_until":1000080.0}');
CREATE INDEX ix_sweeps_project_id ON sweeps (project_id);
CREATE INDEX ix_collections_project_id ON collections (project_id);
CREATE INDEX ix_runs_sweep_id ON runs (sweep_id);
CREATE INDEX ix_runs_project_id ON runs (project_id);
CREATE INDEX ix_agents_sweep_id ON agents (sweep_id);
CREATE INDEX ix_trials_run ON trials (run);
CREATE INDEX lines_by_step ON lines (run_id, stream, step);
CREATE INDEX ix_files_run_id ON files (run_id);
CREATE INDEX ix_artifacts_collection_id ON artifacts (collection_id);
CREATE INDEX ix_artifacts_client_id ON artifacts (client_id);
CREATE INDEX ix_aliases_artifact_id ON aliases (artifact_id);
CREATE INDEX ix_artifact_tags_artifact_id ON artifact_tags (artifact_id);
CREATE INDEX ix_manifests_artifact_id ON manifests (artifact_id);
CREATE INDEX ix_artifact_files_artifact_id ON artifact_files (artifact_id);
COMMIT;
