//! A bucket of an S3-compatible store as the place for backups. Requests go through the caller's
//! own client, so trust and TLS are decided where the program's other calls are.

use std::sync::Arc;
use std::time::Duration;

pub use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService};

use object_store::aws::AmazonS3Builder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::{BackoffConfig, RetryConfig};

use crate::BackupError;
use crate::target::Target;

/// Longest time that one request is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where, and as whom.
#[derive(Clone)]
pub struct Bucket {
    pub name: String,
    /// Before every file; may be empty.
    pub prefix: String,
    /// `https://…`; AWS's own in the region when there is none.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.shown())
    }
}

impl Bucket {
    fn shown(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix)
    }

    /// Plain HTTP is for a store on this machine.
    fn in_clear(&self) -> Option<&str> {
        let host = self.endpoint.as_deref()?.strip_prefix("http://")?;
        host.split(['/', ':']).next()
    }
}

#[derive(Debug)]
struct Connected(HttpClient);

impl HttpConnector for Connected {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// Opens a bucket; nothing is asked of it yet.
///
/// # Errors
/// `Key` when the endpoint would be reached without TLS or what is given cannot be used.
pub fn open(bucket: &Bucket, calls: impl HttpService) -> Result<Target, BackupError> {
    if bucket.in_clear().is_some_and(|host| !["127.0.0.1", "localhost"].contains(&host)) {
        return Err(BackupError::Key("endpoint: give an https:// address; http:// is for this machine alone".to_owned()));
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_access_key_id(&bucket.access_key_id)
        .with_secret_access_key(&bucket.secret_access_key)
        .with_allow_http(bucket.in_clear().is_some())
        .with_http_connector(Connected(HttpClient::new(calls)))
        .with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: 5, retry_timeout: PATIENCE });
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder.build().map_err(|error| BackupError::Key(format!("{} cannot be used: {error}", bucket.shown())))?;
    Ok(Target::bucket(Arc::new(store), &bucket.prefix, bucket.shown()))
}
