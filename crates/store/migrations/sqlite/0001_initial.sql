-- The billing and isolation border. Every table with tenant data carries its id, and foreign keys
-- between such tables include it, so that no row can point across the border.
CREATE TABLE organizations (
    id             TEXT    NOT NULL PRIMARY KEY,  -- org_<ULID>
    name           TEXT    NOT NULL UNIQUE,
    bounds         TEXT    NOT NULL,              -- JSON: the limits and budgets that all its keys share
    created_at_us  INTEGER NOT NULL,              -- microseconds since the Unix epoch, as in all `_us`
    updated_at_us  INTEGER NOT NULL
) STRICT;

-- A group of keys, members and limits inside an organization.
CREATE TABLE projects (
    id               TEXT    NOT NULL PRIMARY KEY,  -- prj_<ULID>
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    search_text      TEXT    NOT NULL,              -- name, description and id in lower case
    bounds           TEXT    NOT NULL,              -- JSON: the limits and budgets that all its keys share
    prompts          TEXT,                          -- JSON: how its prompts and answers are kept; NULL: none is
    created_at_us    INTEGER NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    removed_at_us    INTEGER,                       -- NULL: it is there
    UNIQUE (organization_id, id)
) STRICT;

CREATE UNIQUE INDEX projects_name ON projects (organization_id, name) WHERE removed_at_us IS NULL;

-- A person who signs in.
CREATE TABLE users (
    id               TEXT    NOT NULL PRIMARY KEY,  -- usr_<ULID>
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    email            TEXT,                          -- as it was typed; NULL: not known
    email_folded     TEXT,                          -- in lower case, by which it is unique
    search_text      TEXT    NOT NULL,              -- name, e-mail address and id in lower case
    role             TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    bounds           TEXT    NOT NULL,              -- JSON: the limits and budgets that all their keys share
    created_at_us    INTEGER NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    disabled_at_us   INTEGER,                       -- NULL: switched on
    seen_at_us       INTEGER,                       -- when they last were signed in; NULL: never
    removed_at_us    INTEGER,                       -- NULL: they are there
    UNIQUE (organization_id, id)
) STRICT;

CREATE UNIQUE INDEX users_name ON users (organization_id, name) WHERE removed_at_us IS NULL;
CREATE UNIQUE INDEX users_email ON users (organization_id, email_folded) WHERE removed_at_us IS NULL;

-- An identity for an app or agent that never signs in.
CREATE TABLE service_accounts (
    id               TEXT    NOT NULL PRIMARY KEY,  -- sva_<ULID>
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    project_id       TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    search_text      TEXT    NOT NULL,              -- name, description and id in lower case
    created_at_us    INTEGER NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    disabled_at_us   INTEGER,                       -- NULL: switched on
    removed_at_us    INTEGER,                       -- NULL: it is there
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id)
) STRICT;

CREATE UNIQUE INDEX service_accounts_name ON service_accounts (organization_id, name)
    WHERE removed_at_us IS NULL;
CREATE INDEX service_accounts_project ON service_accounts (organization_id, project_id);

-- Who belongs to a project. Users and projects that were removed belong to nothing.
CREATE TABLE project_members (
    organization_id  TEXT    NOT NULL,
    project_id       TEXT    NOT NULL,
    user_id          TEXT    NOT NULL,
    role             TEXT    NOT NULL CHECK (role IN ('admin', 'member', 'viewer')),
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

CREATE INDEX project_members_user ON project_members (organization_id, user_id);

-- One row per API key.
CREATE TABLE api_keys (
    id                        TEXT    NOT NULL PRIMARY KEY,  -- <prefix>_<access>, the public part
    organization_id           TEXT    NOT NULL REFERENCES organizations (id),
    project_id                TEXT    NOT NULL,
    owner_kind                TEXT    NOT NULL CHECK (owner_kind IN ('user', 'service')),
    owner_id                  TEXT    NOT NULL,              -- a user or a service account
    -- The owner again, for each table that it can stand in: a foreign key needs a column of its own.
    owner_user_id             TEXT    GENERATED ALWAYS AS (CASE WHEN owner_kind = 'user' THEN owner_id END) STORED,
    owner_service_account_id  TEXT    GENERATED ALWAYS AS (CASE WHEN owner_kind = 'service' THEN owner_id END) STORED,
    name                      TEXT    NOT NULL,
    name_look                 TEXT    NOT NULL,              -- one for all names that look alike
    description               TEXT    NOT NULL,
    search_text               TEXT    NOT NULL,              -- name, description and id in lower case
    tail                      TEXT    NOT NULL,              -- last four characters of the newest secret, for lists
    rights                    TEXT    NOT NULL,              -- JSON: scopes, models, addresses, limits, budgets
    metadata                  TEXT    NOT NULL,              -- a JSON object of the organization's own
    created_by                TEXT    NOT NULL,              -- the user who made it
    role_max                  TEXT    CHECK (role_max IN ('owner', 'admin', 'member', 'viewer')),
                                                             -- the role that it acts with at most; NULL: its user's
    created_at_us             INTEGER NOT NULL,
    updated_at_us             INTEGER NOT NULL,
    expires_at_us             INTEGER,                       -- NULL: never
    disabled_at_us            INTEGER,                       -- NULL: switched on
    revoked_at_us             INTEGER,                       -- NULL: not ended
    rotated_at_us             INTEGER,                       -- NULL: still the first secret
    swept_at_us               INTEGER,                       -- NULL: not put away
    last_used_at_us           INTEGER,
    last_used_address         TEXT,
    noticed_until_us          INTEGER,                       -- notices whose time came by then are told, or never are; NULL: when it was made
    reminded_secret_us        INTEGER,                       -- when the secret was made that was told to be old
    -- What lists are sorted by.
    name_order                TEXT    NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
    last_used_order_us        INTEGER NOT NULL GENERATED ALWAYS AS (COALESCE(last_used_at_us, 0)) STORED,
    end_order_us              INTEGER NOT NULL GENERATED ALWAYS AS (COALESCE(expires_at_us, 9223372036854775807)) STORED,
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id),
    FOREIGN KEY (organization_id, owner_user_id) REFERENCES users (organization_id, id),
    FOREIGN KEY (organization_id, owner_service_account_id) REFERENCES service_accounts (organization_id, id),
    FOREIGN KEY (organization_id, created_by) REFERENCES users (organization_id, id)
) STRICT;

-- A name is unique within its owner; a key that is revoked, or put away, gives its name free.
CREATE UNIQUE INDEX api_keys_name ON api_keys (owner_id, name)
    WHERE revoked_at_us IS NULL AND swept_at_us IS NULL;
CREATE INDEX api_keys_name_look ON api_keys (owner_id, name_look)
    WHERE revoked_at_us IS NULL AND swept_at_us IS NULL;
-- Lists are read in this order, and what they are narrowed by stands beside it: no row is looked at
-- that is not shown.
CREATE INDEX api_keys_list ON api_keys (organization_id, created_at_us DESC, id DESC, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us, last_used_at_us);
-- The same in the other orders.
CREATE INDEX api_keys_by_name ON api_keys (organization_id, name_order, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us);
CREATE INDEX api_keys_by_use ON api_keys (organization_id, last_used_order_us, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us);
CREATE INDEX api_keys_by_end ON api_keys (organization_id, end_order_us, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us);
-- The longest text that can stand here is below what PostgreSQL takes into an index.
CREATE INDEX api_keys_search ON api_keys (organization_id, created_at_us DESC, id DESC, search_text);
CREATE INDEX api_keys_owner ON api_keys (organization_id, owner_id, created_at_us DESC, id DESC);
CREATE INDEX api_keys_disabled ON api_keys (organization_id, created_at_us DESC, id DESC, expires_at_us)
    WHERE disabled_at_us IS NOT NULL AND revoked_at_us IS NULL;
CREATE INDEX api_keys_revoked ON api_keys (organization_id, created_at_us DESC, id DESC)
    WHERE revoked_at_us IS NOT NULL;
CREATE INDEX api_keys_swept ON api_keys (organization_id, swept_at_us, id) WHERE swept_at_us IS NOT NULL;
CREATE INDEX api_keys_end ON api_keys (organization_id, expires_at_us) WHERE revoked_at_us IS NULL;
-- The keys of a project that live are counted in this alone.
CREATE INDEX api_keys_living ON api_keys (organization_id, project_id, revoked_at_us, expires_at_us);
-- The orders and texts of lists again, for the keys of service accounts: where they are few among many,
-- the others are not walked through.
CREATE INDEX api_keys_service_list ON api_keys (organization_id, created_at_us DESC, id DESC, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us, last_used_at_us)
    WHERE owner_kind = 'service';
CREATE INDEX api_keys_service_by_name ON api_keys (organization_id, name_order, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us)
    WHERE owner_kind = 'service';
CREATE INDEX api_keys_service_by_use ON api_keys (organization_id, last_used_order_us, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us)
    WHERE owner_kind = 'service';
CREATE INDEX api_keys_service_by_end ON api_keys (organization_id, end_order_us, id, owner_kind, project_id, created_by,
    expires_at_us, disabled_at_us, revoked_at_us, swept_at_us)
    WHERE owner_kind = 'service';
CREATE INDEX api_keys_service_search ON api_keys (organization_id, created_at_us DESC, id DESC, search_text)
    WHERE owner_kind = 'service';

-- The secrets of keys. None is stored, only its HMAC-SHA-256. A key that was rotated has several for a
-- while.
CREATE TABLE key_secrets (
    organization_id    TEXT    NOT NULL,
    key_id             TEXT    NOT NULL,
    number             INTEGER NOT NULL CHECK (number > 0),  -- from 1; the newest is the largest
    tail               TEXT    NOT NULL,                     -- last four characters, for lists
    digest             BLOB    CHECK (length(digest) = 32),  -- NULL: it is over, and dropped
    pepper_version     INTEGER NOT NULL,                     -- which key of the keyring made the digest
    created_at_us      INTEGER NOT NULL,
    ends_at_us         INTEGER,                              -- NULL: with its key
    last_used_at_us    INTEGER,
    last_used_address  TEXT,
    PRIMARY KEY (key_id, number),
    FOREIGN KEY (organization_id, key_id) REFERENCES api_keys (organization_id, id)
) STRICT;

-- A credential for a provider, sealed under the vault's key.
CREATE TABLE provider_keys (
    id               TEXT    NOT NULL PRIMARY KEY,  -- pvk_<ULID>
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    masked           TEXT    NOT NULL,              -- first three and last three characters
    ciphertext       BLOB    NOT NULL,              -- AES-256-GCM, bound to organization and row
    note             TEXT    NOT NULL,
    search_text      TEXT    NOT NULL,              -- name, note and id in lower case
    created_at_us    INTEGER NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    tested_at_us     INTEGER,                       -- when its present value was last tried at a provider
    tested_provider  TEXT,                          -- at whose, by the name of then
    test_failure     TEXT,                          -- what was wrong; NULL: nothing
    UNIQUE (organization_id, name),
    UNIQUE (organization_id, id)
) STRICT;

-- An upstream API.
CREATE TABLE providers (
    id               TEXT    NOT NULL PRIMARY KEY,  -- prv_<ULID>
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    base_url         TEXT,                          -- NULL: the kind needs none
    search_text      TEXT    NOT NULL,              -- name, kind, base URL and id in lower case
    region           TEXT,                          -- of Amazon Bedrock; NULL: the base URL says it, or there is none
    check_seconds    INTEGER,                       -- between two health checks; NULL: there are none
    check_path       TEXT,                          -- NULL: the list of models
    created_at_us    INTEGER NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    UNIQUE (organization_id, name),
    UNIQUE (organization_id, id)
) STRICT;

-- With which credentials a provider's deployments are called that name none; they share the calls.
CREATE TABLE provider_links (
    organization_id  TEXT    NOT NULL,
    provider_id      TEXT    NOT NULL,
    provider_key_id  TEXT    NOT NULL,
    position         INTEGER NOT NULL,              -- the order in which they were given
    PRIMARY KEY (provider_id, provider_key_id),
    FOREIGN KEY (organization_id, provider_id) REFERENCES providers (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, provider_key_id) REFERENCES provider_keys (organization_id, id)
) STRICT;

-- A public model name.
CREATE TABLE models (
    organization_id    TEXT    NOT NULL REFERENCES organizations (id),
    name               TEXT    NOT NULL,
    project_id         TEXT,              -- whose keys alone call it; NULL: those of all
    pricing            TEXT    NOT NULL,  -- 'free', 'listed', or a price as JSON
    output_tokens_max  INTEGER,           -- NULL: not known
    routing            TEXT    NOT NULL CHECK (routing IN ('weighted', 'least_latency')),
    created_at_us      INTEGER NOT NULL,
    updated_at_us      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name),
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id)
) STRICT;

-- What clients may call a model: its own name and its aliases, which compete for one place each.
CREATE TABLE model_names (
    organization_id  TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    model            TEXT    NOT NULL,
    position         INTEGER NOT NULL,  -- 0: its own name; else the order in which the aliases were given
    PRIMARY KEY (organization_id, name),
    FOREIGN KEY (organization_id, model) REFERENCES models (organization_id, name) ON DELETE CASCADE
) STRICT;

-- Who serves a model: one provider, one upstream name, one provider key.
CREATE TABLE deployments (
    id               TEXT    NOT NULL PRIMARY KEY,  -- dep_<ULID>
    organization_id  TEXT    NOT NULL,
    model            TEXT    NOT NULL,
    position         INTEGER NOT NULL,              -- the order in which they were given
    provider_id      TEXT    NOT NULL,
    upstream_model   TEXT    NOT NULL,
    provider_key_id  TEXT,                          -- NULL: the provider's own
    weight           INTEGER NOT NULL CHECK (weight > 0),
    priority         INTEGER NOT NULL CHECK (priority >= 0),
    state            TEXT    NOT NULL CHECK (state IN ('active', 'draining', 'disabled')),
    FOREIGN KEY (organization_id, model) REFERENCES models (organization_id, name) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, provider_id) REFERENCES providers (organization_id, id),
    FOREIGN KEY (organization_id, provider_key_id) REFERENCES provider_keys (organization_id, id)
) STRICT;

CREATE INDEX model_names_model ON model_names (organization_id, model, position);
CREATE INDEX models_project ON models (organization_id, project_id);
CREATE INDEX deployments_model ON deployments (organization_id, model, position);
CREATE INDEX deployments_provider ON deployments (organization_id, provider_id);
CREATE INDEX deployments_provider_key ON deployments (organization_id, provider_key_id);
CREATE INDEX provider_links_provider ON provider_links (organization_id, provider_id);
CREATE INDEX provider_links_provider_key ON provider_links (organization_id, provider_key_id);

-- One row per finished call, and one per attempt at it that reached a provider and had another one behind
-- it. No foreign keys: what was consumed is booked whatever became of its
-- key, model or provider.
CREATE TABLE usage_events (
    id                   TEXT    NOT NULL,              -- req_<ULID>, the call
    attempt              INTEGER NOT NULL,              -- 0: the call, and its last attempt; else which one before that
    organization_id      TEXT    NOT NULL,
    project_id           TEXT    NOT NULL,
    key_id               TEXT    NOT NULL,
    provider_id          TEXT    NOT NULL,
    deployment_id        TEXT    NOT NULL,
    model                TEXT    NOT NULL,
    started_at_us        INTEGER NOT NULL,
    duration_us          INTEGER NOT NULL,
    first_byte_us        INTEGER NOT NULL,              -- 0: no byte came
    address              TEXT    NOT NULL,
    outcome              TEXT    NOT NULL,
    is_error             INTEGER NOT NULL,              -- 1: failed or interrupted
    status               INTEGER NOT NULL,              -- what it ended with; 0: nothing
    input_tokens         INTEGER NOT NULL,
    cached_input_tokens  INTEGER NOT NULL,              -- of those of input
    cache_write_tokens   INTEGER NOT NULL,              -- of those of input
    cache_write_1h_tokens INTEGER NOT NULL,             -- of those written
    input_audio_tokens   INTEGER NOT NULL,              -- of those of input
    input_image_tokens   INTEGER NOT NULL,              -- of those of input
    input_video_tokens   INTEGER NOT NULL,              -- of those of input
    cached_audio_tokens  INTEGER NOT NULL,              -- of those of sound
    cached_image_tokens  INTEGER NOT NULL,              -- of those of pictures
    output_tokens        INTEGER NOT NULL,
    reasoning_tokens     INTEGER NOT NULL,              -- of those of output
    output_audio_tokens  INTEGER NOT NULL,              -- of those of output
    output_image_tokens  INTEGER NOT NULL,              -- of those of output
    output_video_tokens  INTEGER NOT NULL,              -- of those of output
    web_searches         INTEGER NOT NULL,              -- by the provider
    file_searches        INTEGER NOT NULL,              -- by the provider
    characters           INTEGER NOT NULL,              -- of text that was spoken
    audio_ms             INTEGER NOT NULL,              -- sound that was written down
    images               INTEGER NOT NULL,              -- made, where sold by the picture
    ranking_units        INTEGER NOT NULL,              -- units by which ranking is sold
    is_estimated         INTEGER NOT NULL,              -- 1: counted here, not reported
    cost_nanousd         INTEGER NOT NULL,
    held_nanousd         INTEGER NOT NULL,              -- what was set aside before the call
    is_over_hold         INTEGER NOT NULL,              -- 1: the provider billed more than that
    PRIMARY KEY (id, attempt)
) STRICT;

CREATE INDEX usage_events_time ON usage_events (organization_id, started_at_us);
CREATE INDEX usage_events_failed ON usage_events (organization_id, started_at_us)
    WHERE attempt = 0 AND is_error = 1;

-- What calls consumed, summed up by the hour in which they began: what reports of whole hours read, and what
-- is left when single calls are no longer kept. Written in the transaction of the calls. Each sum stops at the
-- largest number.
CREATE TABLE usage_hours (
    organization_id      TEXT    NOT NULL,
    hour_us              INTEGER NOT NULL,  -- its first moment
    key_id               TEXT    NOT NULL,
    owner_id             TEXT    NOT NULL,  -- whose key it is; '': nobody knows
    project_id           TEXT    NOT NULL,
    provider_id          TEXT    NOT NULL,
    model                TEXT    NOT NULL,
    requests             INTEGER NOT NULL,
    errors               INTEGER NOT NULL,  -- of them, failed or interrupted
    attempts             INTEGER NOT NULL,  -- how often a provider was tried for them
    duration_us          INTEGER NOT NULL,  -- of the requests without an error, together
    first_byte_us        INTEGER NOT NULL,  -- of the same, until the first byte, together
    input_tokens         INTEGER NOT NULL,
    cached_input_tokens  INTEGER NOT NULL,  -- of those of input
    cache_write_tokens   INTEGER NOT NULL,  -- of those of input
    cache_write_1h_tokens INTEGER NOT NULL, -- of those written
    input_audio_tokens   INTEGER NOT NULL,  -- of those of input
    input_image_tokens   INTEGER NOT NULL,  -- of those of input
    input_video_tokens   INTEGER NOT NULL,  -- of those of input
    cached_audio_tokens  INTEGER NOT NULL,  -- of those of sound
    cached_image_tokens  INTEGER NOT NULL,  -- of those of pictures
    output_tokens        INTEGER NOT NULL,
    reasoning_tokens     INTEGER NOT NULL,  -- of those of output
    output_audio_tokens  INTEGER NOT NULL,  -- of those of output
    output_image_tokens  INTEGER NOT NULL,  -- of those of output
    output_video_tokens  INTEGER NOT NULL,  -- of those of output
    web_searches         INTEGER NOT NULL,  -- by the provider
    file_searches        INTEGER NOT NULL,  -- by the provider
    characters           INTEGER NOT NULL,  -- of text that was spoken
    audio_ms             INTEGER NOT NULL,  -- sound that was written down
    images               INTEGER NOT NULL,  -- made, where sold by the picture
    ranking_units        INTEGER NOT NULL,  -- units by which ranking is sold
    cost_nanousd         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour_us, key_id, project_id, provider_id, model)
) STRICT, WITHOUT ROWID;

-- What was spent in a period: the running sums behind budgets.
CREATE TABLE spend (
    subject          TEXT    NOT NULL,  -- 'key:<id>', 'user:<id>', 'project:<id>', 'organization:<id>'
    period           TEXT    NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    period_start_us  INTEGER NOT NULL,
    organization_id  TEXT    NOT NULL,
    cost_nanousd     INTEGER NOT NULL,
    tokens           INTEGER NOT NULL,
    PRIMARY KEY (subject, period, period_start_us)
) STRICT;

-- Shares of budgets that were spent: each is told once in each period, for each height of the budget.
CREATE TABLE budget_alerts (
    subject          TEXT    NOT NULL,  -- as in `spend`
    period           TEXT    NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    period_start_us  INTEGER NOT NULL,
    unit             TEXT    NOT NULL CHECK (unit IN ('usd', 'tokens')),
    amount           INTEGER NOT NULL,  -- the height of the budget: nano-dollars or tokens
    percent          INTEGER NOT NULL,
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    spent            INTEGER NOT NULL,  -- at that time, in the same unit
    told_at_us       INTEGER,           -- NULL: nobody was told yet
    PRIMARY KEY (subject, period, period_start_us, unit, amount, percent)
) STRICT;

CREATE INDEX budget_alerts_untold ON budget_alerts (organization_id, subject) WHERE told_at_us IS NULL;

-- Settings changed at run time; what is not here has its default.
CREATE TABLE settings (
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    value            TEXT    NOT NULL,
    updated_at_us    INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name)
) STRICT;

-- One row per administrative act, chained: each link authenticates the row and the link before it.
CREATE TABLE audit_entries (
    sequence         INTEGER NOT NULL PRIMARY KEY,  -- from 1, without gaps
    at_us            INTEGER NOT NULL,
    organization_id  TEXT    NOT NULL,
    actor            TEXT    NOT NULL,
    action           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    detail           TEXT    NOT NULL,
    link             BLOB    NOT NULL
) STRICT;

CREATE INDEX audit_entries_list ON audit_entries (organization_id, sequence DESC);
CREATE INDEX audit_entries_subject ON audit_entries (organization_id, subject, sequence DESC);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
WHEN OLD.sequence > COALESCE((SELECT sequence FROM audit_base WHERE id = 1), 0)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- The end of the chain, so that a cut is found. One row.
CREATE TABLE audit_head (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence  INTEGER NOT NULL,
    seal      BLOB    NOT NULL
) STRICT;

-- One row per request that was sent with an `Idempotency-Key`, for 24 hours: its answer, in case it is
-- sent again. Nothing here tells what was asked to anybody without the secret of the key that asked.
CREATE TABLE idempotent_requests (
    id               BLOB    NOT NULL PRIMARY KEY   -- HMAC of the `Idempotency-Key` under that secret
                             CHECK (length(id) = 32),
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    request          BLOB    NOT NULL,              -- HMAC of the request under that secret
    begun_at_us      INTEGER NOT NULL,
    status           INTEGER,                       -- NULL: it is being worked on, or its process died
    etag             TEXT,
    answer           TEXT,                         -- the body, without secrets
    sealed           BLOB                         -- the whole body, where it has a secret; sealed under that secret
) STRICT;

CREATE INDEX idempotent_requests_age ON idempotent_requests (organization_id, begun_at_us);

-- One random key per purpose and version, wrapped by the master key.
CREATE TABLE keyring (
    purpose        TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    wrapped        BLOB    NOT NULL,
    created_at_us  INTEGER NOT NULL,
    retired_at_us  INTEGER,  -- NULL: in use
    PRIMARY KEY (purpose, version)
) STRICT;

INSERT INTO audit_head (id, sequence, seal) VALUES (1, 0, zeroblob(32));

-- The password of a user who signs in: Argon2id under the pepper of the keyring.
CREATE TABLE passwords (
    user_id          TEXT    NOT NULL PRIMARY KEY,
    organization_id  TEXT    NOT NULL,
    hash             BLOB    NOT NULL CHECK (length(hash) = 32),
    salt             BLOB    NOT NULL CHECK (length(salt) = 16),
    memory_kib       INTEGER NOT NULL,
    passes           INTEGER NOT NULL,
    pepper_version   INTEGER NOT NULL,
    set_at_us        INTEGER NOT NULL,              -- its version: rises with each change
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

-- The second factor of a user: one-time codes by time (RFC 6238).
CREATE TABLE second_factors (
    user_id          TEXT    NOT NULL PRIMARY KEY,
    organization_id  TEXT    NOT NULL,
    secret           BLOB    NOT NULL,              -- AES-256-GCM, bound to organization and user
    last_step        INTEGER NOT NULL,              -- the newest step whose code was taken: none twice
    created_at_us    INTEGER NOT NULL,
    confirmed_at_us  INTEGER,                       -- NULL: not confirmed by a code, and not asked for
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

-- What stands in for a second factor that was lost; each works once, and is deleted then.
CREATE TABLE recovery_codes (
    organization_id  TEXT    NOT NULL,
    user_id          TEXT    NOT NULL,
    digest           BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (user_id, digest),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

-- Who is signed in. A session that ended is deleted.
CREATE TABLE sessions (
    id                TEXT    NOT NULL PRIMARY KEY,  -- ses_<ULID>
    organization_id   TEXT    NOT NULL,
    user_id           TEXT    NOT NULL,
    digest            BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),  -- HMAC of its token
    address           TEXT    NOT NULL,              -- from where it was last seen
    user_agent        TEXT    NOT NULL,
    created_at_us     INTEGER NOT NULL,
    last_seen_at_us   INTEGER NOT NULL,
    ends_at_us        INTEGER NOT NULL,  -- if it is not used any more
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

CREATE INDEX sessions_user ON sessions (organization_id, user_id, created_at_us DESC);
CREATE INDEX sessions_end ON sessions (ends_at_us);

-- One-time links with which a user sets a password. The newest for each purpose replaces the one before;
-- one that was used is deleted.
CREATE TABLE password_links (
    organization_id  TEXT    NOT NULL,
    user_id          TEXT    NOT NULL,
    purpose          TEXT    NOT NULL CHECK (purpose IN ('invitation', 'reset', 'requested_reset')),
    digest           BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),  -- HMAC of its token
    expires_at_us    INTEGER NOT NULL,
    PRIMARY KEY (user_id, purpose),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT;

-- One row per access token that was revoked before its end; it is not needed after that.
CREATE TABLE revoked_tokens (
    id               TEXT    NOT NULL PRIMARY KEY,  -- tok_<ULID>, the `jti`
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    key_id           TEXT    NOT NULL,              -- the key that it stands for
    revoked_at_us    INTEGER NOT NULL,
    expires_at_us    INTEGER NOT NULL
) STRICT;

CREATE INDEX revoked_tokens_end ON revoked_tokens (organization_id, expires_at_us);

-- The web pages that keys may be used from, for finding out whether any may be from one: a browser asks
-- that before it shows a key. What is allowed for one key stands in its rights.
CREATE TABLE key_origins (
    organization_id  TEXT NOT NULL,
    key_id           TEXT NOT NULL,
    origin           TEXT NOT NULL,  -- https://app.example.com
    PRIMARY KEY (origin, key_id),
    FOREIGN KEY (organization_id, key_id) REFERENCES api_keys (organization_id, id)
) STRICT;

CREATE INDEX key_origins_key ON key_origins (organization_id, key_id);

-- When a key last used what it was granted, to the hour: 'scope:<scope>' on the management API or to list
-- models, 'model:<name>' by calls; 'widened' is when its scopes or models were last widened. As many rows
-- for a key as there are scopes and models. No foreign key: it is written with the calls.
CREATE TABLE key_uses (
    organization_id  TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    what             TEXT    NOT NULL,
    last_used_at_us  INTEGER NOT NULL,
    PRIMARY KEY (key_id, what)
) STRICT;

-- How often a key was refused, by reason and day: for whoever wonders why. As many rows for a key as there
-- are reasons, for each of the last days. No foreign key: it is written with the calls.
CREATE TABLE key_denials (
    organization_id  TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    code             TEXT    NOT NULL,
    day_us           INTEGER NOT NULL,                      -- the first microsecond of a day of UTC
    times            INTEGER NOT NULL,
    last_at_us       INTEGER NOT NULL,
    last_model       TEXT,                                  -- what was asked for; NULL: no model
    last_address     TEXT,
    PRIMARY KEY (key_id, code, day_us)
) STRICT;

CREATE INDEX key_denials_day ON key_denials (organization_id, day_us);

-- Where notices go over HTTP.
CREATE TABLE webhooks (
    id                       TEXT    NOT NULL PRIMARY KEY,  -- whk_<ULID>
    organization_id          TEXT    NOT NULL REFERENCES organizations (id),
    name                     TEXT    NOT NULL,
    url                      TEXT    NOT NULL,
    secret                   BLOB    NOT NULL,              -- AES-256-GCM, bound to organization and row
    previous_secret          BLOB,                          -- the one before, likewise; NULL: never rotated
    previous_secret_ends_us  INTEGER,                       -- until when that one signs too
    created_at_us            INTEGER NOT NULL,
    updated_at_us            INTEGER NOT NULL,
    UNIQUE (organization_id, name),
    UNIQUE (organization_id, id)
) STRICT;

-- What is to be told, was told, or could not be told: one row for each receiver. It is written in the
-- transaction of what it tells, and delivered afterwards.
CREATE TABLE notices (
    id                  TEXT    NOT NULL PRIMARY KEY,  -- ntc_<ULID>
    organization_id     TEXT    NOT NULL REFERENCES organizations (id),
    dedup_key           TEXT    NOT NULL,              -- what would be the same notice has the same one
    kind                TEXT    NOT NULL,
    subject             TEXT    NOT NULL,              -- the id of what it is about
    about_us            INTEGER,                       -- it holds as long as this is the end of the key or link, or since when its secret is there; NULL: always
    threshold_days      INTEGER,                       -- NULL: it is not told so many days before or after something
    webhook_id          TEXT,                          -- NULL: it goes by mail
    recipient           TEXT,                          -- the address of a mail; NULL: it goes to a webhook
    data                TEXT    NOT NULL,              -- JSON, without secrets
    sealed              BLOB,                          -- what a mail carries that is secret: AES-256-GCM, bound to organization and row; NULL: nothing, or it is over
    state               TEXT    NOT NULL CHECK (state IN ('waiting', 'sent', 'dead', 'obsolete')),
    attempts            INTEGER NOT NULL,
    next_attempt_at_us  INTEGER,                       -- NULL: none
    last_error          TEXT,                          -- one of a few words; NULL: no attempt failed
    created_at_us       INTEGER NOT NULL,
    sent_at_us          INTEGER,
    UNIQUE (organization_id, dedup_key),
    CHECK ((webhook_id IS NULL) <> (recipient IS NULL)),
    CHECK ((state = 'waiting') = (next_attempt_at_us IS NOT NULL)),
    CHECK (sealed IS NULL OR (state = 'waiting' AND recipient IS NOT NULL)),
    FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX notices_due ON notices (next_attempt_at_us) WHERE state = 'waiting';
CREATE INDEX notices_list ON notices (organization_id, id DESC);
CREATE INDEX notices_webhook ON notices (organization_id, webhook_id);
CREATE INDEX notices_sealed ON notices (organization_id, subject) WHERE sealed IS NOT NULL;
CREATE INDEX notices_age ON notices (created_at_us) WHERE state <> 'waiting';

-- One row for each time that the holder of a key asked for higher limits or budgets, or that an administrator
-- raised what the keys of a user, a project or an organization share. A granted one with an end raises those
-- of its subject until then, beside that one's row; without an end it was an edit of the key.
CREATE TABLE limit_increases (
    id               TEXT    NOT NULL PRIMARY KEY,  -- inc_<ULID>
    organization_id  TEXT    NOT NULL,
    subject          TEXT    NOT NULL,              -- whose: kind:id, as in `spend`
    -- The key again, where it is one: a foreign key needs a column of its own.
    key_id           TEXT    GENERATED ALWAYS AS (CASE WHEN subject LIKE 'key:%' THEN substr(subject, 5) END) STORED,
    asked_by         TEXT    NOT NULL,              -- a key or a user
    reason           TEXT    NOT NULL,
    asked            TEXT    NOT NULL,              -- JSON: limits, budgets
    state            TEXT    NOT NULL CHECK (state IN ('open', 'granted', 'declined', 'withdrawn', 'lapsed')),
    granted          TEXT,                          -- JSON likewise; NULL: nothing was
    ends_at_us       INTEGER,                       -- until when it holds; NULL: nothing was granted, or for good
    decided_by       TEXT,                          -- a key, a user, or 'system'
    decided_at_us    INTEGER,
    note             TEXT    NOT NULL,              -- what whoever decided says of it
    created_at_us    INTEGER NOT NULL,
    CHECK ((state = 'open') = (decided_at_us IS NULL)),
    CHECK ((state = 'granted') = (granted IS NOT NULL)),
    FOREIGN KEY (organization_id, key_id) REFERENCES api_keys (organization_id, id)
) STRICT;

CREATE UNIQUE INDEX limit_increases_open ON limit_increases (organization_id, subject) WHERE state = 'open';
CREATE INDEX limit_increases_list ON limit_increases (organization_id, id DESC);
CREATE INDEX limit_increases_subject ON limit_increases (organization_id, subject, created_at_us);
CREATE INDEX limit_increases_key ON limit_increases (organization_id, key_id);
CREATE INDEX limit_increases_age ON limit_increases (decided_at_us) WHERE state <> 'open';

-- Where the audit chain begins: everything up to there was old enough to be put away. One row.
CREATE TABLE audit_base (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence  INTEGER NOT NULL,  -- the last entry that was put away
    link      BLOB    NOT NULL,  -- its link, on which the first that is there builds
    seal      BLOB    NOT NULL   -- authenticates both
) STRICT;

INSERT INTO audit_base (id, sequence, link, seal) VALUES (1, 0, zeroblob(32), zeroblob(32));

-- What was asked and answered in a call, of projects that keep it. Gone when its project keeps it no longer.
CREATE TABLE prompts (
    call_id          TEXT    NOT NULL PRIMARY KEY,  -- req_<ULID>
    organization_id  TEXT    NOT NULL,
    project_id       TEXT    NOT NULL,
    created_at_us    INTEGER NOT NULL,
    sealed           BLOB    NOT NULL,              -- both texts, under the keyring
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id)
) STRICT;

CREATE INDEX prompts_age ON prompts (organization_id, project_id, created_at_us);
