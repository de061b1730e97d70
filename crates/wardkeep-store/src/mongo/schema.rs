//! Collections, indexes and shard keys. The program makes them itself; [`plan`] prints them.

use mongodb::IndexModel;
use mongodb::bson::{Document as Row, doc};
use mongodb::options::IndexOptions;

use super::error::Fail;
use super::place::Place;
use crate::contract::StoreError;

pub(crate) const DOCUMENT: &str = "document";
pub(crate) const UNIQUE: &str = "unique_term";
pub(crate) const HOUSE: &str = "house";
pub(crate) const CLOCK: &str = "clock";
pub(crate) const STREAM: &str = "stream";
pub(crate) const LEDGER: &str = "ledger";
pub(crate) const TILE: &str = "tile";
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const COUNTER: &str = "counter";
pub(crate) const BLOB: &str = "blob";
pub(crate) const SEGMENT: &str = "blob_segment";
pub(crate) const MARK: &str = "mark";
pub(crate) const CLAIM: &str = "claim";

/// The schema version that this program knows.
pub(crate) const SCHEMA: i64 = 1;
/// `_id` of the row that says whose database this is.
const OURS: &str = "wardkeep";
/// `_id` of the row that every commit writes first: it orders the commits of all nodes.
pub(crate) const SEQUENCE: &str = "sequence";

struct Index {
    keys: &'static [(&'static str, i32)],
    unique: bool,
    /// Only current versions stand in it.
    current: bool,
}

struct Collection {
    name: &'static str,
    holds: &'static str,
    shard_key: Option<&'static [(&'static str, &'static str)]>,
    indexes: &'static [Index],
}

const fn index(keys: &'static [(&'static str, i32)]) -> Index {
    Index { keys, unique: false, current: false }
}

const BY_ID: Option<&[(&str, &str)]> = Some(&[("_id", "\"hashed\"")]);

const COLLECTIONS: &[Collection] = &[
    Collection {
        name: DOCUMENT,
        holds: "sealed documents, every version, with their search terms",
        shard_key: Some(&[("owner", "\"hashed\""), ("_id", "1")]),
        indexes: &[
            index(&[("kind", 1), ("id", 1), ("current", -1), ("version", -1)]),
            Index { keys: &[("kind", 1), ("find", 1), ("seq", -1)], unique: false, current: true },
            index(&[("kind", 1), ("current", 1), ("seq", -1)]),
            index(&[("seq", 1)]),
        ],
    },
    Collection { name: UNIQUE, holds: "terms that one document of a kind may hold", shard_key: BY_ID, indexes: &[] },
    Collection {
        name: LEDGER,
        holds: "the log's leaves, by stream",
        shard_key: Some(&[("stream", "1"), ("index", "1")]),
        indexes: &[Index { keys: &[("stream", 1), ("index", 1)], unique: true, current: false }],
    },
    Collection { name: TILE, holds: "the log's hashes, 256 in a row", shard_key: BY_ID, indexes: &[] },
    Collection {
        name: SEGMENT,
        holds: "sealed bytes of files, up to 1 MiB in a row",
        shard_key: Some(&[("blob", "\"hashed\""), ("_id", "1")]),
        indexes: &[index(&[("blob", 1)])],
    },
    Collection {
        name: BLOB,
        holds: "files by id, staged or part of the record",
        shard_key: None,
        indexes: &[index(&[("recorded", 1), ("_id", 1)])],
    },
    Collection { name: COUNTER, holds: "running numbers of subjects", shard_key: BY_ID, indexes: &[] },
    Collection { name: CLOCK, holds: "commit times", shard_key: None, indexes: &[] },
    Collection { name: STREAM, holds: "heads of the streams", shard_key: None, indexes: &[] },
    Collection { name: CHECKPOINT, holds: "the newest signed head of each stream", shard_key: None, indexes: &[] },
    Collection { name: MARK, holds: "last uses", shard_key: None, indexes: &[] },
    Collection { name: CLAIM, holds: "which run writes which stream", shard_key: None, indexes: &[] },
    Collection { name: HOUSE, holds: "schema version, and the row that orders all commits", shard_key: None, indexes: &[] },
];

/// Recognises the database, or makes it ours when it is empty.
pub(crate) async fn settle(place: &Place) -> Result<(), Fail> {
    if !recognise(place).await? {
        let others = place.database.list_collection_names().await?;
        if others.iter().any(|name| !name.starts_with("system.")) && !others.iter().any(|name| name == HOUSE) {
            let cause = "it holds collections of another program".to_owned();
            return Err(StoreError::NotAStore { path: place.name.clone(), cause }.into());
        }
    }
    for collection in COLLECTIONS {
        make(place, collection).await?;
    }
    let house = place.database.collection::<Row>(HOUSE);
    // Last, so that a start that was cut off is begun again.
    for (id, row) in [(SEQUENCE, doc! { "seq": 0_i64, "commits": 0_i64 }), (OURS, doc! { "schema": SCHEMA })] {
        match house.update_one(doc! { "_id": id }, doc! { "$setOnInsert": row }).upsert(true).await.map_err(Fail::from) {
            Err(fail) if fail.is_duplicate() => {}
            done => drop(done?),
        }
    }
    Ok(())
}

async fn make(place: &Place, collection: &Collection) -> Result<(), Fail> {
    // Made ahead: a transaction that makes a collection holds everybody up.
    let made = place.database.create_collection(collection.name).await.map_err(Fail::from);
    if let Err(fail) = made
        && !fail.is_there_already()
    {
        return Err(fail);
    }
    let models = collection.indexes.iter().map(Index::model);
    let models: Vec<IndexModel> = models.collect();
    if !models.is_empty() {
        place.database.collection::<Row>(collection.name).create_indexes(models).await?;
    }
    Ok(())
}

/// Is this a database of ours, of the schema that this program knows?
pub(crate) async fn recognise(place: &Place) -> Result<bool, Fail> {
    let Some(row) = place.database.collection::<Row>(HOUSE).find_one(doc! { "_id": OURS }).await? else { return Ok(false) };
    match row.get_i64("schema") {
        Ok(found) if found == SCHEMA => Ok(true),
        Ok(found) if found > SCHEMA => Err(StoreError::TooNew { path: place.name.clone(), found, known: SCHEMA }.into()),
        _ => Err(StoreError::NotAStore { path: place.name.clone(), cause: "its schema version cannot be read".to_owned() }.into()),
    }
}

impl Index {
    fn model(&self) -> IndexModel {
        let keys: Row = self.keys.iter().map(|(field, order)| ((*field).to_owned(), (*order).into())).collect();
        let mut options = IndexOptions::default();
        options.unique = self.unique.then_some(true);
        options.partial_filter_expression = self.current.then(|| doc! { "current": true });
        IndexModel::builder().keys(keys).options(options).build()
    }
    fn shown(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(field, order)| format!("{field}: {order}")).collect();
        let more = [(self.unique, ", unique"), (self.current, ", current versions only")];
        more.iter().filter(|(holds, _)| *holds).fold(format!("{{ {} }}", keys.join(", ")), |text, (_, more)| text + more)
    }
}

/// One collection, for an operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    pub collection: &'static str,
    pub holds: &'static str,
    pub indexes: Vec<String>,
    /// What to run in `mongosh` before the first start on a sharded cluster; `None` when the
    /// collection is small and stays on one shard.
    pub shard: Option<String>,
}

/// Collections, indexes and shard keys of a store in this database.
#[must_use]
pub fn plan(database: &str) -> Vec<Planned> {
    let one = |collection: &Collection| {
        let shard = collection.shard_key.map(|key| {
            let key: Vec<String> = key.iter().map(|(field, order)| format!("{field}: {order}")).collect();
            format!("sh.shardCollection(\"{database}.{}\", {{ {} }})", collection.name, key.join(", "))
        });
        Planned {
            collection: collection.name,
            holds: collection.holds,
            indexes: collection.indexes.iter().map(Index::shown).collect(),
            shard,
        }
    };
    COLLECTIONS.iter().map(one).collect()
}
