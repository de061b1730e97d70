//! The hospital's own sign-in service: what `wardkeep.toml` says of it, and the calls to it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use wardkeep_app::sign_in::{Agreed, Call, Outbound, Provider, Reply};
use wardkeep_domain::account::Role;

use crate::home::SignOn;
use crate::out::Failure;
use crate::outbound::{self, secret};

/// The provider that the settings name; `origin` is where this site is opened.
pub(crate) fn provider(data: &Path, set: &SignOn, origin: &str) -> Result<Provider, Failure> {
    let failed = |words: String| Failure::new(3, format!("[sign_on] in {}: {words}", data.join("wardkeep.toml").display()));
    let mut roles = std::collections::BTreeMap::new();
    for (group, code) in &set.roles {
        let codes: Vec<&str> = Role::STAFF.iter().map(|role| role.code()).collect();
        let role = Role::parse(code).map_err(|_| failed(format!("roles: “{code}” is none; take one of {}", codes.join(", "))))?;
        roles.insert(group.clone(), role);
    }
    let agreed = Agreed {
        issuer: set.issuer.clone(),
        client_id: set.client_id.clone(),
        client_secret: secret(&data.join(&set.client_secret_file))?,
        redirect_uri: format!("{origin}/sign-in/provider/back"),
        label: set.label.clone(),
        accepted_acr: set.accepted_acr.clone(),
        accepted_amr: set.accepted_amr.clone(),
        groups_claim: set.groups_claim.clone(),
        roles,
    };
    let caller = Caller::new(set.ca_file.as_ref().map(|file| data.join(file)).as_deref())?;
    Provider::new(agreed, Arc::new(caller)).map_err(failed)
}

/// The provider's addresses were checked: plain HTTP is for one on this machine.
struct Caller(outbound::Outgoing<Full<Bytes>>);

impl Caller {
    fn new(ca: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self(outbound::client(ca)?))
    }
}

#[async_trait]
impl Outbound for Caller {
    async fn call(&self, call: Call<'_>) -> Result<Reply, String> {
        let mut request = Request::builder().uri(call.address).header(header::ACCEPT, "application/json");
        if let Some(value) = call.authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| "a token that is none".to_owned())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if call.form.is_some() {
            request = request.method(Method::POST).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::copy_from_slice(call.form.unwrap_or_default().as_bytes()));
        let request = request.body(body).map_err(|_| "its address is none".to_owned())?;
        let (status, body) = outbound::ask(&self.0, request).await?;
        Ok(Reply { status, body: body.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outbound::ANSWER_BYTES_MAX;

    /// Calls a server that gives this answer to everybody, and says how often it was called.
    async fn called(answer: String) -> (Result<Reply, String>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let (answer, here) = (answer.replace("HERE", &address), address.clone());
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = calls.clone();
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let reply = Caller::new(None).unwrap().call(Call { address: &here, authorization: None, form: None }).await;
        server.abort();
        (reply, calls.load(std::sync::atomic::Ordering::SeqCst))
    }

    #[tokio::test]
    async fn no_redirect_is_followed_and_no_endless_answer_read() {
        let (moved, calls) = called("HTTP/1.1 302 Found\r\nlocation: HERE\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
        assert_eq!((moved.unwrap().status, calls), (302, 1));
        for (bytes, read) in [(ANSWER_BYTES_MAX, true), (ANSWER_BYTES_MAX + 1, false)] {
            let (answer, _) = called(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", "a".repeat(bytes))).await;
            assert_eq!(answer.is_ok_and(|reply| reply.body.len() == bytes), read, "{bytes}");
        }
    }

    #[test]
    fn an_agreement_that_cannot_be_used_names_the_setting() {
        let data = tempfile::tempdir().unwrap();
        let secret = data.path().join("secret");
        std::fs::write(&secret, "s\n").unwrap();
        let loose = |mode| std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        loose(0o600);
        let good = SignOn {
            issuer: "https://login.example".to_owned(),
            client_id: "w".to_owned(),
            client_secret_file: "secret".into(),
            label: "L".to_owned(),
            ca_file: None,
            accepted_acr: Vec::new(),
            accepted_amr: Vec::new(),
            groups_claim: "groups".to_owned(),
            roles: BTreeMap::new(),
        };
        let told =
            |set: SignOn| provider(data.path(), &set, "https://records.example").err().map(|failure| failure.message).unwrap_or_default();
        assert_eq!(told(good.clone()), "");
        let roles = |code: &str| BTreeMap::from([("ward".to_owned(), code.to_owned())]);
        for (set, words) in [
            (SignOn { issuer: "http://login.example".to_owned(), ..good.clone() }, "issuer: give the provider's https address"),
            (SignOn { client_id: " ".to_owned(), ..good.clone() }, "client_id: it is empty"),
            (SignOn { roles: roles("surgeon"), ..good.clone() }, "roles: “surgeon” is none; take one of administrator, doctor"),
            (SignOn { roles: roles("administrator"), ..good.clone() }, "roles: Administrator is not given by a group"),
            (SignOn { ca_file: Some(PathBuf::from("secret")), ..good.clone() }, "it holds no certificate in PEM"),
            (SignOn { client_secret_file: "none".into(), ..good.clone() }, "cannot be read"),
        ] {
            assert!(told(set).contains(words), "{words}");
        }
        loose(0o640);
        assert!(told(good).contains("chmod 600"));
    }
}
