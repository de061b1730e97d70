//! The real server as a child that can be killed, and a client that remembers what was answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use wardkeep_domain::PatientId;

use crate::cli_run::command;

/// Longest wait for a start or an answer; reaching it is a failure, not a pause.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    ready: mpsc::Receiver<String>,
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub(crate) fn start(data: &Path, port: u16) -> Self {
        Self::spawn("serve", data, port, &[])
    }
    pub(crate) fn start_demo(data: &Path, port: u16) -> Self {
        Self::spawn("demo", data, port, &[])
    }
    pub(crate) fn start_node(data: &Path, port: u16, node: &str) -> Self {
        Self::spawn("serve", data, port, &["--node", node])
    }
    pub(crate) fn start_publishing(data: &Path, port: u16) -> Self {
        Self::spawn("serve", data, port, &["--publish-log"])
    }
    fn spawn(how: &str, data: &Path, port: u16, more: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        // One doctor reads here faster than a person may.
        let pace = ["--charts-per-minute", "100000", "--searches-per-minute", "100000"];
        let mut child = command(&[&[how, "--data", data.to_str().unwrap(), "--listen", &listen], &pace[..], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (said, ready) = mpsc::channel();
        std::thread::spawn(move || while lines.next().and_then(Result::ok).is_some_and(|line| said.send(line).is_ok()) {});
        Self { child, ready }
    }
    /// Returns when the server says that it serves.
    pub(crate) fn wait_until_ready(&mut self) {
        match self.ready.recv_timeout(PATIENCE) {
            Ok(line) => assert!(line.starts_with("Wardkeep serves") || line.starts_with("A throw-away hospital"), "{line}"),
            Err(error) => panic!("the server did not start ({error}); it ended with {:?}", self.child.try_wait()),
        }
    }
    /// SIGTERM: what is on its way ends, the log is sealed, claims are let go.
    #[expect(clippy::disallowed_methods, reason = "the standard library sends no other signal than SIGKILL")]
    pub(crate) fn stop(mut self) {
        let told = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success() && self.child.wait().unwrap().success());
    }
    /// SIGKILL: no handler runs, nothing is flushed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A doctor's browser.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) port: u16,
    pub(crate) session: String,
    pub(crate) form_token: String,
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A write that the server answered with its success.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) text: String,
    /// The page that shows it.
    page: String,
}

impl Browser {
    /// Files a record; `None` when there was no answer, or another one than success.
    pub(crate) fn write_record(&self, patient: PatientId, text: &str) -> Option<Acknowledged> {
        let (path, body) = self.record(patient, text);
        self.post(&path, FORM, &body, text)
    }

    /// Where a record's form goes, and what it sends.
    fn record(&self, patient: PatientId, text: &str) -> (String, String) {
        let body = format!(
            "csrf={}&record_type=note&title=Crash&body={text}&event_day=&event_month=&event_year=&event_time=&reason=&version=",
            self.form_token
        );
        (format!("/patients/{patient}/records/new"), body)
    }

    /// Uploads a text file of several segments called `text`.
    pub(crate) fn upload(&self, patient: PatientId, text: &str) -> Option<Acknowledged> {
        let part = |head: &str, body: &str| format!("--wardkeep\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
        let file = format!("name=\"file\"; filename=\"{text}.txt\"\r\nContent-Type: text/plain");
        let body = [
            part("name=\"csrf\"", &self.form_token),
            part("name=\"description\"", "Letter"),
            part(&file, &format!("{text}\n").repeat(2000)),
            "--wardkeep--\r\n".to_owned(),
        ];
        self.post(&format!("/patients/{patient}/documents"), "multipart/form-data; boundary=wardkeep", &body.concat(), text)
    }

    fn post(&self, path: &str, content_type: &str, body: &str, text: &str) -> Option<Acknowledged> {
        let answer = self.send("POST", path, content_type, body)?;
        if !answer.starts_with("HTTP/1.1 303") {
            return None;
        }
        let page = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("location: ").map(|at| at.trim().to_owned()))?;
        Some(Acknowledged { text: text.to_owned(), page })
    }

    /// Is it there, once, and sound?
    pub(crate) fn shows(&self, written: &Acknowledged) -> bool {
        let page = self.send("GET", &written.page, "text/plain", "").unwrap_or_else(|| panic!("no answer to {}", written.page));
        page.starts_with("HTTP/1.1 200") && page.contains(&written.text) && !page.contains("Check failed")
    }

    /// Is it there, for a server that may be without its store: `None` when it says so.
    pub(crate) fn sees(&self, written: &Acknowledged) -> Option<bool> {
        let page = self.send("GET", &written.page, "text/plain", "")?;
        let unavailable = page.starts_with("HTTP/1.1 503");
        assert!(!unavailable || page.to_ascii_lowercase().contains("retry-after: "), "{}", page.lines().next().unwrap_or_default());
        (!unavailable).then(|| page.starts_with("HTTP/1.1 200") && page.contains(&written.text) && !page.contains("Check failed"))
    }

    /// The whole answer to a request without a form.
    pub(crate) fn get(&self, path: &str) -> String {
        self.send("GET", path, "text/plain", "").unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// The whole answer to a record that is sent in.
    pub(crate) fn try_record(&self, patient: PatientId, text: &str) -> String {
        let (path, body) = self.record(patient, text);
        self.send("POST", &path, FORM, &body).unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// The whole answer; `None` when the connection broke.
    fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Option<String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: wardkeep-session={}\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.session,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
    }
}
