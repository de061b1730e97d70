//! The sockets, over loopback: what a stranger can hold open, and how the server ends.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wardkeep_web::limits::HEADER_BYTES_MAX;
use wardkeep_web::server::{Times, serve};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let router = Router::new()
        .route("/who", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/hang", get(std::future::pending::<()>));
    let times = Times { header: Duration::from_millis(200), drain: Duration::from_millis(200) };
    let ended = tokio::spawn(serve(listener, router, times, async {
        let _ = stopped.await;
    }));
    Running { address, stop, ended }
}

/// Sends, and reads until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before everything is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("the server lets go");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer() {
    let server = start().await;
    let answer = exchange(server.address, b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("127.0.0.1"), "{answer}");
    assert!(!answer.to_lowercase().contains("\r\nserver:"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_half_a_head_is_let_go() {
    let server = start().await;
    for start in ["", "G", "PRI", "PRI * HTTP/2.0\r\n", "GET /who HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let answer = exchange(server.address, start.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn asvs_4_2_5_a_head_of_sixteen_kibibytes_is_the_largest() {
    let server = start().await;
    let head = |bytes: usize| format!("GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {}\r\n\r\n", "a".repeat(bytes));
    assert!(exchange(server.address, head(HEADER_BYTES_MAX / 2).as_bytes()).await.starts_with("HTTP/1.1 200"));
    let refused = exchange(server.address, head(HEADER_BYTES_MAX).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    let many = format!("GET /who HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert!(exchange(server.address, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn asvs_4_2_1_what_two_servers_could_read_differently_is_refused() {
    let server = start().await;
    for request in [
        "GET /who HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na",
        "GET /who HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\na",
        "GET /who HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\na",
        "GET /who HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        "GET /who HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET /who HTTP/1.1\r\nhost: x\r\nx: a\r\n folded\r\n\r\n",
        "GET /who HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        "GET /who HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET  /who HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let answer = exchange(server.address, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_and_says_its_limits() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The preface in two pieces, then empty settings.
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    stream.write_all(b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "a settings frame");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let value = |id: u16| {
        let at = settings.chunks_exact(6).find(|entry| entry[..2] == id.to_be_bytes()).unwrap();
        u32::from_be_bytes(at[2..].try_into().unwrap())
    };
    assert_eq!(value(3), wardkeep_web::limits::STREAMS_MAX);
    assert_eq!(value(6), u32::try_from(HEADER_BYTES_MAX).unwrap());
}

#[tokio::test]
async fn told_to_stop_it_takes_nobody_new_and_ends_even_with_a_request_that_hangs() {
    let server = start().await;
    let mut hanging = TcpStream::connect(server.address).await.unwrap();
    hanging.write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let idle = TcpStream::connect(server.address).await.unwrap();
    // One exchange, so that both connections are taken before the stop.
    assert!(exchange(server.address, b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.contains("200 OK"));
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.ended).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}
