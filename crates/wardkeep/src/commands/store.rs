//! `wardkeep store …`: what MongoDB holds, and a hospital's way from one engine to another.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkeep_store::mongo::{Planned, plan};
use wardkeep_store::transfer;
use wardkeep_store::{MongoStore, Receive, SqliteOptions, SqliteStore, Store};

use crate::cli::Store as Command;
use crate::home::{Address, Home};
use crate::house;
use crate::out::{Failure, Out, Progress};

pub(crate) async fn run(home: impl FnOnce() -> Result<Home, Failure>, what: Command, out: &Out) -> Result<(), Failure> {
    match what {
        Command::Plan { database } => {
            planned(database, out);
            Ok(())
        }
        Command::Copy { from, to } => copy(home()?, &Address::parse(&from)?, &Address::parse(&to)?, out).await,
    }
}

fn planned(databases: Vec<String>, out: &Out) {
    let plans: Vec<(String, Vec<Planned>)> = databases.into_iter().map(|name| (name.clone(), plan(&name))).collect();
    let text: String = plans.iter().map(|(name, collections)| shown(name, collections)).collect();
    let value: Vec<Value> = plans.iter().map(|(name, collections)| shape(name, collections)).collect();
    out.done(&text, &json!({ "databases": value }));
}

fn shown(name: &str, collections: &[Planned]) -> String {
    let mut text = format!("{name}\n");
    for one in collections {
        text.push_str(&format!("  {:<13} {}\n", one.collection, one.holds));
        one.indexes.iter().for_each(|index| text.push_str(&format!("                index {index}\n")));
    }
    text.push_str(
        "\nThe program makes collections and indexes by itself. On a sharded cluster, run this in mongosh before the first start:\n",
    );
    text.push_str(&format!("  sh.enableSharding(\"{name}\")\n"));
    collections.iter().filter_map(|one| one.shard.as_ref()).for_each(|shard| text.push_str(&format!("  {shard}\n")));
    text.push('\n');
    text
}

fn shape(name: &str, collections: &[Planned]) -> Value {
    let one = |one: &Planned| json!({"collection": one.collection, "holds": one.holds, "indexes": one.indexes, "shard": one.shard});
    json!({"database": name, "collections": collections.iter().map(one).collect::<Vec<_>>()})
}

/// Copies a store and, when it is one of this directory's hospital, moves the hospital there.
async fn copy(home: Home, from: &Address, to: &Address, out: &Out) -> Result<(), Failure> {
    if from.shown() == to.shown() {
        return Err(Failure::new(2, format!("{} cannot be copied onto itself: name another --to", from.shown())));
    }
    let source = source(from).await?;
    let target = target(to).await?;
    let progress = Progress::new("Copying", *out);
    let copied = transfer::copy(source.as_ref(), target.as_ref(), &|done, of| progress.at(done, of)).await;
    progress.end();
    drop((source, target));
    let copied = copied?;
    let mut text = format!(
        "{} documents, {} log entries in {} streams and {} files stand in {}, the same as in {}.",
        copied.documents,
        copied.leaves,
        copied.streams,
        copied.files,
        to.shown(),
        from.shown()
    );
    let moved = home.moved(from, to);
    if let Some(moved) = &moved {
        let house = house::open(moved).await?;
        let told = house.app.store_moved(&house.operator(), &from.shown(), &to.shown()).await;
        house.close().await?;
        told?;
        moved.keep()?;
        text.push_str(&format!(
            "\nThe hospital in {} works with it from now on. The source is left as it was: put it away, so that nobody goes on with it.",
            home.data.display()
        ));
    }
    out.done(
        &text,
        &json!({
            "documents": copied.documents, "entries": copied.leaves, "streams": copied.streams, "files": copied.files,
            "written": copied.written, "from": from.shown(), "to": to.shown(), "moved": moved.is_some(),
        }),
    );
    Ok(())
}

async fn source(address: &Address) -> Result<Arc<dyn Store>, Failure> {
    Ok(match address {
        // Claimed, so that no server writes it meanwhile.
        Address::File(path) if path.is_file() => Arc::new(SqliteStore::open(path, SqliteOptions::default())?),
        Address::File(path) => return Err(Failure::new(4, format!("there is no store in {}", path.display()))),
        Address::Mongo(address) => Arc::new(MongoStore::open_existing(address, "copy").await?),
    })
}

async fn target(address: &Address) -> Result<Arc<dyn Receive>, Failure> {
    Ok(match address {
        Address::File(path) => Arc::new(SqliteStore::open(path, SqliteOptions::default())?),
        Address::Mongo(address) => Arc::new(MongoStore::open(address, "copy").await?),
    })
}
