//! The listener when the process has no more files. In a process of its own, as the limit is the
//! process's.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use doorward_gateway::CallIds;
use doorward_gateway::listen::{Limits, Listener};
use doorward_store::Clock;
use http::Response;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn running_out_of_files_delays_clients_and_neither_ends_nor_burns_the_loop() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None, Limits::STANDARD).unwrap();
    let (address, stats) = (listener.local_addr().unwrap(), listener.stats());
    let answer = async |_request, _peer| Response::new(Full::new(Bytes::from_static(b"fine")));
    let stop = CancellationToken::new();
    let ids = Arc::new(CallIds::new(Clock::system(), 1));
    let serving =
        listener.serve(move |r, p| Box::pin(answer(r, p)), ids, stop.clone(), Duration::ZERO);
    let done = TaskTracker::new().spawn(serving);

    let process = std::process::id().to_string();
    let limited = Command::new("prlimit").args(["--nofile=64:64", "--pid", &process]).status();
    assert!(limited.unwrap().success());
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.pop(); // The one file that our own side of the connection needs.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();

    let began = Instant::now();
    while stats.accept_errors() < 3 {
        tokio::task::yield_now().await;
        assert!(began.elapsed() < Duration::from_secs(20), "the loop does not try again");
    }
    assert!(began.elapsed() > Duration::from_millis(150), "the loop does not pause");

    drop(files);
    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert!(received.starts_with("HTTP/1.1 200 ") && received.ends_with("fine"), "{received:?}");
    stop.cancel();
    done.await.unwrap();
}
