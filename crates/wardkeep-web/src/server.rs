//! The sockets: HTTP/1.1 and HTTP/2 with limits on whatever a stranger can hold open.
//!
//! A client that sends nothing, or sends its head drop by drop, is let go; so is one whose head is
//! too large. Told to stop, it takes no new connection, lets open requests end, and returns.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::limits;

/// A short rest after an error of `accept` (out of file descriptors), so that it is not asked in a loop.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often the beginning of a connection is looked at again while it may still become HTTP/2.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Time limits of connections; tests make them short.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub header: Duration,
    pub drain: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { header: limits::HEADER_TIME, drain: limits::DRAIN_TIME }
    }
}

/// Serves until `stop` completes; then drains.
pub async fn serve(listener: TcpListener, router: Router, times: Times, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let (told, stopping) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    let builder = Arc::new(builder(times));
    loop {
        let accepted = async {
            let room = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, room)
        };
        let (accepted, room) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, builder, stopping) = (router.clone(), Arc::clone(&builder), stopping.clone());
                tokio::spawn(async move {
                    connection(&builder, stream, peer, router, times, stopping).await;
                    drop(room);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    told.send_replace(true);
    drop(stopping);
    if tokio::time::timeout(times.drain, told.closed()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

fn builder(times: Times) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(times.header)
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits::RESET_STREAMS_MAX)
        .keep_alive_interval(limits::PING_EVERY)
        .keep_alive_timeout(limits::PING_EVERY);
    builder
}

async fn connection(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    times: Times,
    mut stopping: watch::Receiver<bool>,
) {
    let Ok(Ok(two)) = tokio::time::timeout(times.header, speaks_http2(&stream)).await else { return };
    // Small answers must not wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let builder = if two { builder.clone().http2_only() } else { builder.clone().http1_only() };
    let service = router.map_request(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let mut told = false;
    loop {
        tokio::select! {
            // How a connection ended is of no interest: what was asked of it is logged already.
            _ = connection.as_mut() => return,
            changed = stopping.changed(), if !told => {
                told = true;
                if changed.is_ok() {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Looks at the first bytes without taking them.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        let seen = first.get(..length).unwrap_or_default();
        match length {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if !PREFACE.starts_with(seen) => return Ok(false),
            _ if length == PREFACE.len() => return Ok(true),
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
