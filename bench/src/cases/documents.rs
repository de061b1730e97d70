//! Documents up and down, and what a 100 MiB upload does to the memory of the server.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::{Running, Session, megabytes};
use crate::driver::{Body, Bounds, Client, get, median, post};
use crate::machine;
use crate::report::GROWTH;

const MIB: usize = 1 << 20;
/// The largest file, less the few bytes around it.
const LARGE_MIB: usize = 100;
const LARGE_TIMES: usize = 3;
const BOUNDARY: &str = "wardkeep-bench-boundary";
const MEDIA_TYPE: &str = "application/pdf";
const PDF_HEAD: &[u8] = b"%PDF-1.7\n";
const PDF_TAIL: &[u8] = b"\nstartxref\n0\n%%EOF\n";
/// Small uploads of one round: a patient has at most 1,000 documents.
const UPLOADS_MAX: u64 = 40;

/// Bytes that no compressor shortens.
fn filler() -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..MIB / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

/// The bytes of a multipart form: the token, other short fields, and the head of the file.
fn multipart_head(boundary: &str, fields: &[(&str, &str)], file_name: &str, media_type: &str) -> Bytes {
    let mut text = String::new();
    for (name, value) in fields {
        text.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    text.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n"));
    text.push_str(&format!("Content-Type: {media_type}\r\n\r\n"));
    Bytes::from(text)
}

/// A form with a PDF of exactly `mib` MiB, sent piece by piece.
fn upload(doctor: &Session, patient: &str, filler: &Bytes, mib: usize) -> Result<Request<Body>> {
    let fields = [("csrf", doctor.csrf.as_str()), ("description", "Bench")];
    let first = filler.slice(..MIB - PDF_HEAD.len() - PDF_TAIL.len());
    let mut parts = vec![multipart_head(BOUNDARY, &fields, "scan.pdf", MEDIA_TYPE), Bytes::from_static(PDF_HEAD), first];
    parts.extend(std::iter::repeat_n(filler.clone(), mib - 1));
    parts.push(Bytes::from_static(PDF_TAIL));
    parts.push(Bytes::from(format!("\r\n--{BOUNDARY}--\r\n")));
    let length = parts.iter().map(|part| part.len() as u64).sum();
    let content = BodyExt::boxed(StreamBody::new(futures::stream::iter(parts).map(|part| Ok(Frame::data(part)))));
    post(&format!("/patients/{patient}/documents"), &doctor.cookie, &format!("multipart/form-data; boundary={BOUNDARY}"), length, content)
}

/// The path of the newest file on a patient's list.
async fn newest_file(client: &mut Client, doctor: &Session, patient: &str) -> Result<String> {
    let list = format!("/patients/{patient}/documents");
    let page = client.exchange(get(&list, &doctor.cookie)?).await?;
    let text = page.text();
    let id = text.split(&format!("{list}/")).nth(1).and_then(|rest| rest.get(..36)).context("no document on the list")?;
    Ok(format!("{list}/{id}/file"))
}

pub(crate) async fn run(running: &mut Running<'_>) -> Result<()> {
    let doctor = running.doctor(0)?.clone();
    let [small, large] = [4, 5].map(|at| doctor.patients.get(at).cloned());
    let (small, large) = (small.context("a patient")?, large.context("a patient")?);
    let filler = filler();
    let up = |_: usize, _: u64| upload(&doctor, &small, &filler, 1);
    let bounds = Bounds { requests: UPLOADS_MAX, ..running.bounds };
    running.load_within(bounds, "document up, 1 MiB", 1, 303, "", &up).await?;
    running.load_within(bounds, "document up, 1 MiB", 8, 303, "", &up).await?;
    let mut client = Client::connect(running.server.address).await?;
    let file = newest_file(&mut client, &doctor, &small).await?;
    let down = |_: usize, _: u64| get(&file, &doctor.cookie);
    running.load("document down, 1 MiB", 1, 200, "%PDF", &down).await?;
    running.load("document down, 1 MiB", 8, 200, "%PDF", &down).await?;
    hundred(running, &mut client, &doctor, &large, &filler).await
}

async fn hundred(running: &mut Running<'_>, client: &mut Client, doctor: &Session, patient: &str, filler: &Bytes) -> Result<()> {
    let (mut ups, mut downs, mut growths) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..LARGE_TIMES {
        running.server.forget_peak()?;
        let before = running.server.memory()?.resident_kib;
        let began = machine::now();
        let answer = client.exchange(upload(doctor, patient, filler, LARGE_MIB)?).await?;
        ups.push(LARGE_MIB as f64 / began.elapsed().as_secs_f64());
        ensure!(answer.status == 303, "the upload answers {}: {}", answer.status, answer.text());
        growths.push(megabytes(running.server.memory()?.peak_kib.saturating_sub(before)));
        let file = newest_file(client, doctor, patient).await?;
        let began = machine::now();
        let mut incoming = client.send(get(&file, &doctor.cookie)?).await?.into_body();
        let mut received = 0;
        while let Some(frame) = incoming.frame().await {
            received += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(received == LARGE_MIB * MIB, "{received} bytes came back");
        downs.push(LARGE_MIB as f64 / began.elapsed().as_secs_f64());
    }
    running.size.value("document up, 100 MiB", "MiB/s", median(ups));
    running.size.value("document down, 100 MiB", "MiB/s", median(downs));
    running.size.value(GROWTH, "MB", median(growths));
    Ok(())
}
