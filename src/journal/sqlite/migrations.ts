/** Each is one transaction, applied once, in this order; none is ever changed after a release. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO meta VALUES ('epoch', 0);

  CREATE TABLE commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    command_id TEXT NOT NULL,
    way TEXT NOT NULL,
    hash TEXT NOT NULL,
    command TEXT NOT NULL,
    carried TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'saving', 'ended')),
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    interrupted_by TEXT,
    note TEXT,
    saving TEXT,
    result TEXT,
    accepted_at INTEGER NOT NULL,
    begun_at INTEGER,
    ended_at INTEGER,
    UNIQUE (client_id, user_id, project_id, command_id)
  ) STRICT;
  CREATE INDEX commands_unfinished ON commands (seq) WHERE state <> 'ended';
  CREATE INDEX commands_of_thread ON commands (client_id, user_id, project_id, thread_id, seq);
  CREATE INDEX commands_called ON commands (command_id);

  CREATE TABLE threads (
    slot_number INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL, thread_id TEXT NOT NULL,
    slot TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    base TEXT,
    created_at INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    cost_usd REAL NOT NULL DEFAULT 0,
    agent_total_usd REAL NOT NULL DEFAULT 0,
    tokens TEXT NOT NULL DEFAULT '{"input":0,"output":0,"cacheRead":0,"cacheWrite":0}',
    UNIQUE (client_id, user_id, project_id, thread_id)
  ) STRICT;
  CREATE INDEX threads_by_activity ON threads (client_id, user_id, project_id, last_active_at DESC);

  CREATE TABLE checkpoints (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL, thread_id TEXT NOT NULL,
    commit_id TEXT NOT NULL, parent TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL,
    command_id TEXT NOT NULL, at INTEGER NOT NULL, restores TEXT
  ) STRICT;
  CREATE INDEX checkpoints_of_thread ON checkpoints (client_id, user_id, project_id, thread_id, n);

  CREATE TABLE names (
    scope TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, folded TEXT NOT NULL,
    PRIMARY KEY (scope, id), UNIQUE (scope, folded)
  ) STRICT;

  CREATE TABLE outbox (
    event_id TEXT PRIMARY KEY,
    way TEXT NOT NULL,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL,
    result TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX outbox_due ON outbox (due_at);
  `,
  `
  CREATE INDEX commands_ended ON commands (ended_at) WHERE state = 'ended';
  CREATE TABLE lease (owner TEXT NOT NULL, beat INTEGER NOT NULL, released INTEGER NOT NULL) STRICT;
  INSERT INTO lease VALUES ('', 0, 1);
  `,
  `
  CREATE TABLE spending (
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL, command_id TEXT NOT NULL,
    day TEXT NOT NULL,
    cost_usd REAL NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_id, project_id, command_id, day)
  ) STRICT;
  CREATE INDEX spending_of_user ON spending (client_id, user_id, day);

  ALTER TABLE commands ADD COLUMN joins TEXT;
  CREATE INDEX commands_joined ON commands (client_id, user_id, project_id, joins) WHERE joins IS NOT NULL;

  ALTER TABLE threads DROP COLUMN agent_total_usd;
  ALTER TABLE threads ADD COLUMN said TEXT;
  ALTER TABLE threads ADD COLUMN begins TEXT;
  ALTER TABLE threads ADD COLUMN laid_out TEXT;
  ALTER TABLE checkpoints ADD COLUMN talk TEXT;

  CREATE TABLE spares (
    slot_number INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL,
    slot TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL, laid_out TEXT,
    UNIQUE (client_id, user_id, project_id)
  ) STRICT;
  `,
  `
  ALTER TABLE commands ADD COLUMN replies TEXT NOT NULL DEFAULT '[]';

  ALTER TABLE outbox ADD COLUMN thread_id TEXT NOT NULL DEFAULT '';
  DELETE FROM outbox WHERE NOT EXISTS (SELECT 1 FROM commands WHERE commands.client_id = outbox.client_id AND commands.user_id = outbox.user_id
    AND commands.project_id = outbox.project_id AND commands.command_id = json_extract(outbox.result, '$.commandId'));
  UPDATE outbox SET thread_id = (SELECT thread_id FROM commands WHERE commands.client_id = outbox.client_id AND commands.user_id = outbox.user_id
    AND commands.project_id = outbox.project_id AND commands.command_id = json_extract(outbox.result, '$.commandId'));
  ALTER TABLE outbox ADD COLUMN reply_to TEXT;
  CREATE INDEX outbox_of_thread ON outbox (client_id, user_id, project_id, thread_id, way);

  CREATE TABLE dead_letters (n INTEGER PRIMARY KEY AUTOINCREMENT, letter TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE inbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, meaning TEXT NOT NULL UNIQUE, line TEXT NOT NULL,
    content TEXT,
    at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX inbox_due ON inbox (line, n) WHERE content IS NOT NULL;

  CREATE TABLE memos (
    n INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, project_id TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
    UNIQUE (client_id, user_id, project_id, name)
  ) STRICT;
  `,
]
