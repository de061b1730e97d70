//! The load driver: HTTP/1.1 over loopback, one kept-alive connection for each client, the next
//! request when the answer to the last one is complete. Every answer is checked; a wrong one ends
//! the run, because the time of a wrong answer says nothing.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};

use crate::machine;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

const EXCHANGE_MAX: Duration = Duration::from_secs(300);

pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

fn request(method: &str, path: &str, cookie: &str) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1");
    let builder = builder.header(header::USER_AGENT, "wardkeep-bench on Linux").header("sec-fetch-site", "same-origin");
    let builder = builder.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    if cookie.is_empty() { builder } else { builder.header(header::COOKIE, cookie) }
}

pub(crate) fn get(path: &str, cookie: &str) -> Result<Request<Body>> {
    Ok(request("GET", path, cookie).body(body(Bytes::new()))?)
}

pub(crate) fn post(path: &str, cookie: &str, content_type: &str, length: u64, content: Body) -> Result<Request<Body>> {
    let builder = request("POST", path, cookie).header(header::CONTENT_TYPE, content_type);
    Ok(builder.header(header::CONTENT_LENGTH, length).body(content)?)
}

pub(crate) fn post_form(path: &str, cookie: &str, fields: &[(&str, &str)]) -> Result<Request<Body>> {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let text = pairs.join("&");
    post(path, cookie, "application/x-www-form-urlencoded", text.len() as u64, body(text))
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A complete answer.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The value of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut found = values.filter_map(|value| value.split(';').next()).filter(|pair| pair.starts_with(name));
        found.find(|pair| !pair.ends_with('=')).map(str::to_owned)
    }
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// One client with its connection.
pub(crate) struct Client {
    sender: SendRequest<Body>,
    address: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect(address).await?, address).await
    }

    /// From an address of one's own: of loopback there are many.
    pub(crate) async fn connect_from(own: SocketAddr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(own)?;
        Self::over(socket.connect(address).await?, address).await
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How a connection ends shows in the exchange that it carries.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, address })
    }

    /// The head of the answer; its body is still to come.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<http::Response<Incoming>> {
        if self.sender.ready().await.is_err() {
            *self = Self::connect(self.address).await?;
            self.sender.ready().await?;
        }
        tokio::time::timeout(EXCHANGE_MAX, self.sender.send_request(request)).await.context("no answer in time")?.context("an exchange")
    }

    pub(crate) async fn exchange(&mut self, request: Request<Body>) -> Result<Answer> {
        let (head, incoming) = self.send(request).await?.into_parts();
        let collected = tokio::time::timeout(EXCHANGE_MAX, incoming.collect()).await.context("the answer stops")??;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: collected.to_bytes() })
    }
}

/// Makes the n-th request of a client.
pub(crate) type Make<'a> = &'a dyn Fn(usize, u64) -> Result<Request<Body>>;

/// What is asked, by how many, and what a right answer is.
pub(crate) struct Load<'a> {
    pub name: &'a str,
    pub clients: usize,
    pub make: Make<'a>,
    pub status: u16,
    /// The first answer to every client in a round must contain this.
    pub holds: &'a str,
}

/// When a round ends, and how many there are. The first, unmeasured one warms up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub rounds: usize,
    pub time: Duration,
    pub requests: u64,
}

/// Medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub name: String,
    pub clients: usize,
    /// Requests of all measured rounds.
    pub requests: usize,
    pub per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time of the server for one request; `None` where it was not measured apart.
    pub processor_ms: Option<f64>,
}

struct Round {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    processor_ms: f64,
    requests: usize,
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nearest-rank percentile of sorted values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Drives a load in rounds. `processor_time` reads what the server has used so far.
pub(crate) async fn drive(
    addresses: &[SocketAddr],
    processor_time: impl Fn() -> Result<Duration>,
    load: &Load<'_>,
    bounds: Bounds,
) -> Result<Measured> {
    // Clients are spread over the nodes as a balancer would.
    let connecting = addresses.iter().cycle().take(load.clients).map(|address| Client::connect(*address));
    let mut clients = futures::future::try_join_all(connecting).await?;
    let mut rounds = Vec::new();
    for number in 0..=bounds.rounds {
        let round = round(&mut clients, &processor_time, load, bounds).await.with_context(|| load.name.to_owned())?;
        if number > 0 {
            rounds.push(round);
        }
    }
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    Ok(Measured {
        name: load.name.to_owned(),
        clients: load.clients,
        requests: rounds.iter().map(|round| round.requests).sum(),
        per_s: of(|round| round.per_s),
        p50_ms: of(|round| round.p50_ms),
        p99_ms: of(|round| round.p99_ms),
        processor_ms: Some(of(|round| round.processor_ms)),
    })
}

async fn round(clients: &mut [Client], processor_time: &impl Fn() -> Result<Duration>, load: &Load<'_>, bounds: Bounds) -> Result<Round> {
    let used = processor_time()?;
    let began = machine::now();
    let asked = Cell::new(0);
    let working = clients.iter_mut().enumerate().map(|(number, client)| {
        let asked = &asked;
        async move {
            let mut times_ms = Vec::new();
            while asked.get() < bounds.requests && began.elapsed() < bounds.time {
                let request = (load.make)(number, asked.replace(asked.get() + 1))?;
                let sent = machine::now();
                let answer = client.exchange(request).await?;
                times_ms.push(sent.elapsed().as_secs_f64() * 1000.0);
                check(load, &answer, times_ms.len() == 1)?;
            }
            Ok::<_, anyhow::Error>(times_ms)
        }
    });
    let mut times_ms = futures::future::try_join_all(working).await?.concat();
    let took_s = began.elapsed().as_secs_f64();
    let used_s = processor_time()?.saturating_sub(used).as_secs_f64();
    times_ms.sort_by(f64::total_cmp);
    ensure!(!times_ms.is_empty(), "no request in this round");
    let requests = times_ms.len();
    Ok(Round {
        per_s: requests as f64 / took_s,
        p50_ms: percentile(&times_ms, 50),
        p99_ms: percentile(&times_ms, 99),
        processor_ms: used_s * 1000.0 / requests as f64,
        requests,
    })
}

fn check(load: &Load<'_>, answer: &Answer, first: bool) -> Result<()> {
    if answer.status != load.status {
        let words: String = answer.text().chars().take(2000).collect();
        bail!("status {} instead of {}: {words}", answer.status, load.status);
    }
    ensure!(!first || answer.text().contains(load.holds), "“{}” is not in the answer", load.holds);
    Ok(())
}
