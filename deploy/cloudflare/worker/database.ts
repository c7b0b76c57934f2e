/** A row of a table; nothing here keeps bytes. */
export type Row = Readonly<Record<string, string | number | null>>

/** Rows and single values of an object's own SQLite; every write is durable before anything leaves the object (its output gate). */
export interface Database {
  readonly rows: (query: string, ...values: (string | number | null)[]) => readonly Row[]
  /** All of it or nothing. */
  readonly together: <Value>(work: () => Value) => Value
}

/**
 * Forward only, each once. A newer Worker's schema is left as it is: what is added later has a default, so that an older Worker, which
 * runs for a while beside a newer one, can go on.
 */
const MIGRATIONS = [
  `CREATE TABLE inbox (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, meaning TEXT NOT NULL UNIQUE, line TEXT NOT NULL,
     content TEXT, at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
   CREATE INDEX inbox_due ON inbox (due_at) WHERE content IS NOT NULL;
   CREATE INDEX inbox_line ON inbox (line, n) WHERE content IS NOT NULL;
   CREATE INDEX inbox_done ON inbox (at) WHERE content IS NULL;
   CREATE TABLE memos (name TEXT PRIMARY KEY, text TEXT NOT NULL);
   CREATE TABLE jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL, type TEXT NOT NULL,
     hash TEXT NOT NULL, command TEXT NOT NULL, carried TEXT NOT NULL DEFAULT '[]', replies TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
     attempt INTEGER NOT NULL DEFAULT 0, offers INTEGER NOT NULL DEFAULT 0, instance TEXT, given_at INTEGER, cost_before REAL NOT NULL DEFAULT 0, cost_here REAL NOT NULL DEFAULT 0,
     result TEXT, pushed TEXT, push TEXT, files TEXT NOT NULL DEFAULT '[]', subjects TEXT NOT NULL DEFAULT '[]',
     unresolved TEXT NOT NULL DEFAULT '[]', accepted_at INTEGER NOT NULL, ended_at INTEGER);
   CREATE INDEX jobs_ended ON jobs (ended_at) WHERE state = 'ended';
   CREATE INDEX jobs_thread ON jobs (thread_id, seq);
   CREATE INDEX jobs_open ON jobs (thread_id, seq) WHERE state <> 'ended';
   CREATE TABLE threads (thread_id TEXT PRIMARY KEY, instance TEXT, last_event TEXT, next_at INTEGER,
     idle_since INTEGER, silent_since INTEGER, moved TEXT, starts INTEGER NOT NULL DEFAULT 0, full_since INTEGER,
     parked INTEGER NOT NULL DEFAULT 0, said TEXT);
   CREATE TABLE sessions (thread_id TEXT NOT NULL, part INTEGER NOT NULL, id TEXT NOT NULL, said TEXT, text TEXT NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (thread_id, part));
   CREATE TABLE outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL, thread_id TEXT NOT NULL, reply_to TEXT NOT NULL,
     result TEXT NOT NULL, at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
   CREATE INDEX outbox_thread ON outbox (thread_id, n);`,
] as const

export function openDatabase(storage: DurableObjectStorage): Database {
  const { sql } = storage
  sql.exec('CREATE TABLE IF NOT EXISTS migrations (n INTEGER PRIMARY KEY)')
  const done = Number(sql.exec('SELECT count(*) AS n FROM migrations').one()['n'])
  for (const [n, migration] of MIGRATIONS.entries())
    if (n >= done)
      storage.transactionSync(() => {
        sql.exec(migration)
        sql.exec('INSERT INTO migrations (n) VALUES (?)', n)
      })
  return {
    rows: (query, ...values) => sql.exec<Record<string, string | number | null>>(query, ...values).toArray(),
    together: (work) => storage.transactionSync(work),
  }
}
