-- One row per request that was sent with an `Idempotency-Key`, for 24 hours: its answer, in case it is
-- sent again. Nothing here tells what was asked to anybody without the secret of the key that asked.
CREATE TABLE idempotent_requests (
    id               BYTEA   NOT NULL PRIMARY KEY   -- HMAC of the `Idempotency-Key` under that secret
                             CHECK (length(id) = 32),
    organization_id  TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    request          BYTEA   NOT NULL,              -- HMAC of the request under that secret
    begun_at_us      BIGINT  NOT NULL,
    status           BIGINT,                       -- NULL: it is being worked on, or its process died
    etag             TEXT COLLATE "C",
    answer           TEXT COLLATE "C",              -- the body, without secrets
    sealed           BYTEA                         -- the whole body, where it has a secret; sealed under that secret
);

CREATE INDEX idempotent_requests_age ON idempotent_requests (organization_id, begun_at_us);
