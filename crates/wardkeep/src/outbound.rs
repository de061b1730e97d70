//! The one client with which the program calls out: whom it trusts, and the secrets that it brings.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use wardkeep_backup::bucket::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService};
use zeroize::Zeroizing;

use crate::out::Failure;

/// A piece of a backup takes its time on a slow line.
const STORED_TIME: Duration = Duration::from_secs(300);
/// Any other answer that takes longer is none.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Descriptions, keys, tokens and cosignatures are small.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1024;

pub(crate) type Outgoing<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Trusts the public roots, or the certificates of a file alone. Plain HTTP is for this machine: whoever
/// takes an address from the settings refuses others.
pub(crate) fn client<B>(ca: Option<&Path>) -> Result<Outgoing<B>, Failure>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let failed = |cause: String| Failure::new(3, format!("ca_file {} cannot be used: {cause}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("it holds no certificate in PEM".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(1, format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// A secret out of its file. Its end of line does not belong to it.
pub(crate) fn secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(7, format!("{} cannot be read: {error}", path.display()));
    if std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        let fix = format!("run: chmod 600 {}", path.display());
        return Err(Failure::new(7, format!("{} is a secret that other users of this machine can read: {fix}", path.display())));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Calls to a store of backups.
#[derive(Debug)]
pub(crate) struct Storing(pub Outgoing<wardkeep_backup::bucket::HttpRequestBody>);

#[async_trait]
impl HttpService for Storing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = async {
            let answer = self.0.request(request).await;
            answer.map_err(|error| HttpError::new(if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request }, error))
        };
        let late = |elapsed| HttpError::new(HttpErrorKind::Timeout, elapsed);
        let (parts, body) = tokio::time::timeout(STORED_TIME, answered).await.map_err(late)??.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// A small question: status and body of its answer, or why there is none. No redirect is followed.
pub(crate) async fn ask(client: &Outgoing<Full<Bytes>>, request: http::Request<Full<Bytes>>) -> Result<(u16, Bytes), String> {
    let answered = async {
        let (parts, body) = client.request(request).await.map_err(|error| why(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
        Ok((parts.status.as_u16(), body.to_bytes()))
    };
    tokio::time::timeout(ANSWER_TIME, answered).await.map_err(|_| "no answer in time".to_owned())?
}

/// An error with its causes, of which the last one tells most.
fn why(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
