//! `wardkeep store …`.

use serde_json::{Value, json};
use wardkeep_store::mongo::{Planned, plan};

use crate::cli::Store;
use crate::out::{Failure, Out};

pub(crate) fn run(what: Store, out: &Out) -> Result<(), Failure> {
    let Store::Plan { database } = what;
    let plans: Vec<(String, Vec<Planned>)> = database.into_iter().map(|name| (name.clone(), plan(&name))).collect();
    let mut text = String::new();
    for (name, collections) in &plans {
        text.push_str(&shown(name, collections));
    }
    let value: Vec<Value> = plans.iter().map(|(name, collections)| shape(name, collections)).collect();
    out.done(&text, &json!({ "databases": value }));
    Ok(())
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
