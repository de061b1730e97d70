//! Every limit of the HTTP layer. How fast one person may work is in `wardkeep_app::pace`.

use std::time::Duration;

/// Largest head of a request: line and headers. Beyond it: 431.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request.
pub const HEADERS_MAX: usize = 64;
/// A request's head must be here in this time; a kept-alive connection may rest as long.
pub const HEADER_TIME: Duration = Duration::from_secs(15);
/// Longest pause within a request's body.
pub const BODY_PAUSE: Duration = Duration::from_secs(30);
/// Longest a request may take, its body included.
pub const REQUEST_TIME: Duration = Duration::from_secs(60);
/// The same where files are sent: 100 MiB over a slow line.
pub const UPLOAD_TIME: Duration = Duration::from_secs(30 * 60);
/// Connections at once; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 800;
/// HTTP/2: requests at once on one connection.
pub const STREAMS_MAX: u32 = 64;
/// HTTP/2: streams that a peer opened and reset before they were handled (CVE-2023-44487).
pub const RESET_STREAMS_MAX: usize = 20;
/// HTTP/2: a silent peer is asked for a sign of life this often, and dropped without one.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long open requests may take to end when the server is told to stop.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Largest ordinary form: a record's 64 KiB, percent-encoded, with room.
pub const FORM_BYTES_MAX: usize = 256 * 1024;
/// Largest report of a browser about the content policy.
pub const REPORT_BYTES_MAX: usize = 16 * 1024;
/// Static files shorter than this are not worth compressing.
pub const COMPRESS_BYTES_MIN: u64 = 1024;
