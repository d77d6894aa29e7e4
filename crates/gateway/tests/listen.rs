//! The listener over real sockets: what reaches the service, and how connections end.

#[cfg(test)]
mod listen {
    mod client;
    mod http2;
    mod limits;
    mod raw;
    mod server;
    mod shutdown;
    mod tls;
}
