//! What the machine itself can do, measured in the same run: no program on it can be faster.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::driver::{Bounds, Load, Measured, drive, get, median};
use crate::machine;

const CLIENTS: usize = 64;
const PAGE_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 16 * 1024;
const CIPHER_TIME: Duration = Duration::from_millis(300);
const SYNC_TIME: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Limits {
    /// A server that answers "hello" and nothing else, with the same driver.
    pub hello: Measured,
    /// Appends of 4 KiB, each made durable.
    pub syncs_per_s: f64,
    pub aes_gcm_mib_per_s: f64,
    pub sha256_mib_per_s: f64,
    /// One Argon2id hash with the product's parameters (19 MiB, 2 passes, 1 lane).
    pub argon2_ms: f64,
}

pub(crate) async fn measure(disk: &Path, bounds: Bounds) -> Result<Limits> {
    let each = |work: &dyn Fn() -> Result<f64>| Ok::<_, anyhow::Error>(median((0..bounds.rounds).map(|_| work()).collect::<Result<_>>()?));
    Ok(Limits {
        hello: hello(bounds).await?,
        syncs_per_s: each(&|| syncs_per_s(disk))?,
        aes_gcm_mib_per_s: each(&aes_gcm_mib_per_s)?,
        sha256_mib_per_s: each(&|| Ok(mib_per_s(|chunk| _ = digest::digest(&digest::SHA256, chunk))))?,
        argon2_ms: each(&argon2_ms)?,
    })
}

/// The server runs on threads of its own, like a program under test.
async fn hello(bounds: Bounds) -> Result<Measured> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address: SocketAddr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(b"hello")))) });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
        #[expect(unreachable_code, reason = "names the type of the errors above")]
        Ok::<_, std::io::Error>(())
    });
    let load = Load { name: "bare hyper “hello”", clients: CLIENTS, make: &|_, _| get("/", ""), status: 200, holds: "hello" };
    // Server and driver share a process here, so its processor time says nothing.
    let measured = drive(&[address], || Ok(Duration::ZERO), &load, bounds).await;
    runtime.shutdown_background();
    measured
}

fn syncs_per_s(disk: &Path) -> Result<f64> {
    let path = disk.join("sync.tmp");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let began = machine::now();
    let mut count = 0;
    while began.elapsed() < SYNC_TIME {
        file.write_all(&[7; PAGE_BYTES])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

fn aes_gcm_mib_per_s() -> Result<f64> {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| anyhow!("no AES-256-GCM"))?;
    let key = LessSafeKey::new(key);
    let mut number = 0u64;
    Ok(mib_per_s(|chunk| {
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        number += 1;
        // Sealing 16 KiB cannot fail.
        let _ = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), chunk);
    }))
}

fn mib_per_s(mut work: impl FnMut(&mut [u8])) -> f64 {
    let mut chunk = vec![0; CHUNK_BYTES];
    let began = machine::now();
    let mut chunks = 0u32;
    while began.elapsed() < CIPHER_TIME {
        work(&mut chunk);
        chunks += 1;
    }
    f64::from(chunks) * CHUNK_BYTES as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64()
}

fn argon2_ms() -> Result<f64> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let began = machine::now();
    argon2.hash_password_with_salt(b"seven quiet herons cross", &[7; 16]).map_err(|error| anyhow!("{error}"))?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
