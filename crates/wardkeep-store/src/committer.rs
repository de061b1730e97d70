//! Group commit: one writer per store collects changesets and commits them together. A durable
//! commit costs one fsync; sharing it is what makes logging every read affordable.
//!
//! Batching is natural: while one commit runs, the next batch gathers in the queue, so an idle
//! store answers at once and a busy one shares its fsyncs. Nothing is ever answered from memory:
//! a receipt exists only after the engine said that the batch is durable.

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use crate::contract::{Changeset, Refusal, Store, StoreError, Writer};
use wardkeep_ledger::{Discloses, Receipt};

/// Most changesets in one durable commit.
pub const BATCH_CHANGESETS_MAX: usize = 256;
/// Puts and events after which a batch is closed, so that one import does not hold up everybody.
pub const BATCH_ITEMS_MAX: usize = 8192;
/// Most changesets that may wait; beyond it callers wait for room.
pub const QUEUE_MAX: usize = 1024;

/// Cheap to clone. The only way to change a store.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Job>,
    lost: Lost,
}

/// Why the stream was lost, once it was.
type Lost = Arc<OnceLock<Arc<StoreError>>>;

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing of the changeset is applied. After `StreamLost` every later commit fails too.
    #[error("not committed: {0}")]
    Store(#[from] Arc<StoreError>),
}

impl Committer {
    /// Starts the writer task (needs a tokio runtime).
    #[must_use]
    pub fn start(store: Arc<dyn Store>, writer: Writer) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let lost = Lost::default();
        tokio::spawn(Loop { store, writer, jobs, lost: Arc::clone(&lost) }.run());
        Self { queue, lost }
    }

    /// Does this process still write its stream?
    ///
    /// # Errors
    /// `StreamLost` when another one has taken it over: every later commit fails.
    pub fn sound(&self) -> Result<(), Arc<StoreError>> {
        self.lost.get().map_or(Ok(()), |lost| Err(Arc::clone(lost)))
    }

    /// Durable when it returns `Ok`. Mints the [`Receipt`]. A caller that goes away while it
    /// waits does not undo the change: it is applied whole or refused whole all the same.
    ///
    /// # Errors
    /// [`CommitError::Refused`] when the expectations do not hold, [`CommitError::Store`] when the
    /// batch could not be made durable.
    pub async fn commit(&self, change: Changeset) -> Result<Receipt, CommitError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Commit(Box::new(Waiting { change, answer }));
        self.queue.send(job).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed().into()))
    }

    /// Commits what is queued, refuses what comes after, and returns when all of it is answered.
    pub async fn shutdown(&self) {
        let (done, drained) = oneshot::channel();
        if self.queue.send(Job::Stop(done)).await.is_ok() {
            let _ = drained.await;
        }
    }
}

enum Job {
    Commit(Box<Waiting>),
    Stop(oneshot::Sender<()>),
}

struct Waiting {
    change: Changeset,
    answer: oneshot::Sender<Result<Receipt, CommitError>>,
}

struct Loop {
    store: Arc<dyn Store>,
    writer: Writer,
    jobs: mpsc::Receiver<Job>,
    /// Set once the stream is lost: the committer then fails closed.
    lost: Lost,
}

impl Loop {
    async fn run(mut self) {
        let mut stops = Vec::new();
        while let Some(job) = self.jobs.recv().await {
            // Callers that became ready together get to queue before the batch is closed.
            tokio::task::yield_now().await;
            let mut batch = Vec::new();
            let mut items = 0;
            self.take(job, &mut batch, &mut items, &mut stops);
            while batch.len() < BATCH_CHANGESETS_MAX && items < BATCH_ITEMS_MAX {
                match self.jobs.try_recv() {
                    Ok(job) => self.take(job, &mut batch, &mut items, &mut stops),
                    Err(_) => break,
                }
            }
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
        // Whoever waits for the end may open the store again at once.
        drop(self);
        for stop in stops {
            let _ = stop.send(());
        }
    }

    fn take(&mut self, job: Job, batch: &mut Vec<Waiting>, items: &mut usize, stops: &mut Vec<oneshot::Sender<()>>) {
        match job {
            Job::Commit(waiting) => {
                *items += waiting.change.puts.len() + waiting.change.events.len();
                batch.push(*waiting);
            }
            Job::Stop(done) => {
                // What is queued already is still received and committed.
                self.jobs.close();
                stops.push(done);
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Waiting>) {
        let mut changes = Vec::with_capacity(batch.len());
        let mut answers: Vec<(oneshot::Sender<_>, Discloses)> = Vec::with_capacity(batch.len());
        for waiting in batch {
            answers.push((waiting.answer, waiting.change.discloses.clone()));
            changes.push(waiting.change);
        }
        let outcome = match self.lost.get() {
            Some(lost) => Err(Arc::clone(lost)),
            None => self.store.commit(&self.writer, changes).await.map_err(Arc::new),
        };
        match outcome {
            Ok(outcomes) => {
                for ((answer, discloses), outcome) in answers.into_iter().zip(outcomes) {
                    let outcome = outcome
                        .map(|applied| Receipt::mint(self.writer.stream.clone(), applied.seq.0, applied.events, discloses))
                        .map_err(CommitError::from);
                    let _ = answer.send(outcome);
                }
            }
            Err(error) => {
                tracing::error!(stream = self.writer.stream.as_str(), changesets = answers.len(), %error, "commit failed");
                if matches!(*error, StoreError::StreamLost(_)) {
                    let _ = self.lost.set(Arc::clone(&error));
                }
                for (answer, _) in answers {
                    let _ = answer.send(Err(Arc::clone(&error).into()));
                }
            }
        }
    }
}

fn closed() -> Arc<StoreError> {
    Arc::new(StoreError::Closed)
}
