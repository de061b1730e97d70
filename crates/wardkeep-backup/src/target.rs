//! Where backups lie: a directory, or a prefix in a bucket. Whole files are written and read; none is changed.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::BackupError;

/// See the module.
#[derive(Clone)]
pub struct Target {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    shown: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.shown)
    }
}

impl Target {
    /// A private directory that is made when it is not there.
    ///
    /// # Errors
    /// `Target` when it cannot be made.
    pub fn make_directory(path: &FilePath) -> Result<Self, BackupError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| BackupError::Target { target: path.display().to_string(), doing: "making", cause: error.to_string() })?;
        Self::directory(path)
    }

    /// A directory that is there: nothing is written in the place of a disk that is not mounted. Its files
    /// are there, also after a power cut, when `put` returns.
    ///
    /// # Errors
    /// `Target` when it is not there.
    pub fn directory(path: &FilePath) -> Result<Self, BackupError> {
        let shown = path.display().to_string();
        if !path.is_dir() {
            let cause = "there is no such directory: mount its disk, or name another place".to_owned();
            return Err(BackupError::Target { target: shown, doing: "opening", cause });
        }
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(&shown, "opening", &error))?;
        Ok(Self { store: Arc::new(store.with_fsync(true).with_automatic_cleanup(true)), prefix: Path::default(), shown })
    }

    /// Below `prefix` in a store that the caller has opened; `shown` holds no credential.
    #[must_use]
    pub fn bucket(store: Arc<dyn ObjectStore>, prefix: &str, shown: String) -> Self {
        Self { store, prefix: Path::from(prefix), shown }
    }

    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    fn path(&self, file: &str) -> Path {
        file.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(crate) async fn put(&self, file: &str, bytes: Bytes) -> Result<(), BackupError> {
        let put = self.store.put(&self.path(file), PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|error| failed(&self.shown, "writing", &error))
    }

    /// Leaves a file alone that is there already.
    pub(crate) async fn put_new(&self, file: &str, bytes: Bytes) -> Result<(), BackupError> {
        let put = self.store.put_opts(&self.path(file), PutPayload::from(bytes), PutMode::Create.into()).await;
        match put {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(failed(&self.shown, "writing", &error)),
        }
    }

    /// `None` when there is no such file.
    pub(crate) async fn get(&self, file: &str) -> Result<Option<Bytes>, BackupError> {
        let got = async { self.store.get(&self.path(file)).await?.bytes().await };
        match got.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&self.shown, "reading", &error)),
        }
    }

    pub(crate) async fn delete(&self, file: &str) -> Result<(), BackupError> {
        match self.store.delete(&self.path(file)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&self.shown, "deleting", &error)),
        }
    }

    /// Names directly below `folder`: of folders, and of files.
    pub(crate) async fn list(&self, folder: &str) -> Result<(Vec<String>, Vec<String>), BackupError> {
        let listed = self.store.list_with_delimiter(Some(&self.path(folder))).await;
        let listed = listed.map_err(|error| failed(&self.shown, "listing", &error))?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let mut folders: Vec<String> = listed.common_prefixes.iter().map(name).collect();
        let mut files: Vec<String> = listed.objects.iter().map(|object| name(&object.location)).collect();
        folders.sort_unstable();
        files.sort_unstable();
        Ok((folders, files))
    }

    /// Deletes everything below `folder`.
    pub(crate) async fn clear(&self, folder: &str) -> Result<(), BackupError> {
        let listed = self.store.list(Some(&self.path(folder)));
        let found: Vec<_> = listed.try_collect().await.map_err(|error| failed(&self.shown, "listing", &error))?;
        for object in found {
            self.store.delete(&object.location).await.map_err(|error| failed(&self.shown, "deleting", &error))?;
        }
        Ok(())
    }
}

fn failed(shown: &str, doing: &'static str, error: &object_store::Error) -> BackupError {
    BackupError::Target { target: shown.to_owned(), doing, cause: error.to_string() }
}
