//! Black-box tests: the built program, real sockets, an upstream that does as it is told.
#![cfg(test)] // so that the lints know that helpers are tests too

mod answer_headers;
mod audit;
mod bad_upstreams;
mod browser_keys;
mod canaries;
mod command_line;
mod coverage;
mod documents;
mod fallback;
mod increases;
mod lifecycle;
mod limits;
mod model_names;
mod notices;
mod output_bounds;
mod presented;
mod program;
mod proxies;
mod quickstart;
mod raw;
mod refusals;
mod revocation;
mod secrets;
mod settings;
mod sign_in;
mod streams;
mod sudden_death;
mod tokens;
mod unused_rights;
mod upstream;
mod upstream_http2;
mod upstream_request;
mod verify;
mod verify_proxies;
