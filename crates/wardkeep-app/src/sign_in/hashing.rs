//! Password hashing: Argon2id behind a gate, off the async threads.
//!
//! Never tells an absent hash from a wrong password by the work it does.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use wardkeep_domain::account::password::Password;

use crate::{Error, Result, Visit};

/// Most Argon2id computations at once: each takes 19 MiB and a core.
pub const HASHING_MAX: usize = 2;
/// Who waits longer than this for the gate is asked to come back.
const GATE_WAIT: Duration = Duration::from_secs(10);

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// The gate before password hashing.
#[derive(Clone, Debug)]
pub struct Hashing(Arc<tokio::sync::Semaphore>);

/// What a check found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Checked {
    Right,
    /// Right, but hashed with parameters that are too low today.
    RightOld,
    Wrong,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(HASHING_MAX)))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let full = || Error::Throttled { retry_after_s: 5 };
        let permit = tokio::time::timeout(GATE_WAIT, Arc::clone(&self.0).acquire_owned()).await.map_err(|_| full())?.map_err(|_| full())?;
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(format!("hashing stopped: {error}")))?
    }

    /// A new hash in PHC form.
    pub(crate) async fn hash(&self, visit: &Visit, password: &Password) -> Result<String> {
        let (password, salt) = (password.clone(), visit.entropy.bytes::<SALT_BYTES>());
        self.run(move || argon2()?.hash_password_with_salt(password.expose(), &salt).map(|hash| hash.to_string()).map_err(failed)).await
    }

    /// Compares with a stored hash; without one it does the same work and says `Wrong`.
    pub(crate) async fn check(&self, password: &Password, stored: Option<String>) -> Result<Checked> {
        let password = password.clone();
        self.run(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => argon2()?.hash_password_with_salt(password.expose(), &[0; SALT_BYTES]).map(|_| Checked::Wrong).map_err(failed),
        })
        .await
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("password hashing: {error}"))
}

fn argon2() -> Result<Argon2<'static>> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?))
}

fn verify(password: &Password, stored: &str) -> Result<Checked> {
    let hash = PasswordHash::new(stored).map_err(|_| Error::Integrity)?;
    if argon2()?.verify_password(password.expose(), &hash).is_err() {
        return Ok(Checked::Wrong);
    }
    let params = Params::try_from(&hash).map_err(failed)?;
    let old = hash.algorithm.as_str() != Algorithm::Argon2id.as_str() || params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES;
    Ok(if old { Checked::RightOld } else { Checked::Right })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_with_low_parameters_is_right_but_old() {
        let password = Password::typed("correct horse battery staple");
        let low = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
        let stored = low.hash_password_with_salt(password.expose(), &[7; SALT_BYTES]).unwrap().to_string();
        assert_eq!(verify(&password, &stored).unwrap(), Checked::RightOld);
        let now = argon2().unwrap().hash_password_with_salt(password.expose(), &[7; SALT_BYTES]).unwrap().to_string();
        assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(verify(&password, &now).unwrap(), Checked::Right);
        assert_eq!(verify(&Password::typed("Correct horse battery staple"), &now).unwrap(), Checked::Wrong);
    }

    #[test]
    fn a_stored_hash_that_is_none_is_a_damaged_store_and_not_a_wrong_password() {
        assert!(matches!(verify(&Password::typed("x"), "plain"), Err(Error::Integrity)));
    }
}
