//! The published log as somebody elsewhere follows it: over HTTP, from an older checkpoint to a newer one.

use std::collections::BTreeMap;

use wardkeep_ledger::proof::{Tiles, check_consistency, check_inclusion, consistency, inclusion};
use wardkeep_ledger::publish::{bundle_path, decode_bundle, last_paths, tile_path};
use wardkeep_ledger::tree::{TILE_WIDTH, TileId, leaf_hash};
use wardkeep_ledger::{Checkpoint, Hash, Leaf, VerifyingKey};
use wardkeep_web::Settings;

use crate::site::{FAR_FAMILY, NEAR_FAMILY, ORIGIN, Site};

async fn open() -> Site {
    Site::with(Settings { origin: ORIGIN.to_owned(), secure: false, sign_on: None, publish_log: true }).await
}

const STREAM: &str = "records.main";

async fn bytes(site: &Site, path: &str) -> Option<Vec<u8>> {
    let answer = site.get(None, &format!("/ledger/{STREAM}/{path}")).await;
    (answer.status == 200).then_some(answer.body)
}

/// Everything that a checkpoint of this size covers, as its follower reads it.
struct Copy {
    tiles: BTreeMap<TileId, Vec<Hash>>,
    leaves: Vec<Vec<u8>>,
}

impl Tiles for Copy {
    type Error = std::convert::Infallible;
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, Self::Error> {
        Ok(self.tiles.get(&id).cloned())
    }
}

async fn copied(site: &Site, size: u64) -> Copy {
    let mut copy = Copy { tiles: BTreeMap::new(), leaves: Vec::new() };
    let (mut count, mut level) = (size, 0u8);
    while count > 0 {
        for index in 0..count.div_ceil(TILE_WIDTH as u64) {
            let width = usize::try_from((count - index * TILE_WIDTH as u64).min(TILE_WIDTH as u64)).unwrap();
            let id = TileId { level, index };
            let tile = bytes(site, &tile_path(id, width)).await.unwrap();
            copy.tiles.insert(id, tile.chunks(32).map(|hash| hash.try_into().unwrap()).collect());
            if level == 0 {
                copy.leaves.extend(decode_bundle(&bytes(site, &bundle_path(index, width)).await.unwrap()).unwrap());
            }
        }
        (count, level) = (count / TILE_WIDTH as u64, level + 1);
    }
    copy
}

async fn checkpoint(site: &Site) -> Checkpoint {
    let key = site.get(None, "/ledger/log.vkey").await;
    assert_eq!(key.header("content-type"), "text/plain; charset=utf-8");
    let key = VerifyingKey::parse(key.text().trim()).unwrap();
    let note = String::from_utf8(bytes(site, "checkpoint").await.unwrap()).unwrap();
    let checkpoint = Checkpoint::verify(&note, &key).unwrap();
    assert_eq!(checkpoint.origin, key.origin(STREAM));
    checkpoint
}

/// The chart is opened until so many entries stand in the log, and they are signed.
async fn grow(site: &Site, entries: u64) -> Checkpoint {
    site.app.set_pace(crate::pace::HURRY);
    let doctor = site.sign_in_again(site.person(wardkeep_domain::account::Role::Doctor)).await;
    let ctx = site.ctx(&doctor).await;
    loop {
        site.app.tick(&site.visit()).await.unwrap();
        let checkpoint = checkpoint(site).await;
        if checkpoint.head.size >= entries {
            return checkpoint;
        }
        for _ in checkpoint.head.size..entries {
            site.app.open_chart(&ctx, site.near).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_follower_checks_everything_by_what_it_reads_and_the_older_stays_readable() {
    let site = open().await;
    let old = grow(&site, 40).await;
    let mut first = copied(&site, old.head.size).await;
    let new = grow(&site, 600).await;
    // What the older checkpoint counts reads the same, though the log has grown over it.
    for path in last_paths(old.head.size) {
        assert!(bytes(&site, &path).await.is_some(), "{path}");
    }
    let again = copied(&site, old.head.size).await;
    assert!(first.leaves == again.leaves && first.tiles == again.tiles);
    let mut second = copied(&site, new.head.size).await;
    assert_eq!(second.leaves.len() as u64, new.head.size);
    assert_eq!(second.leaves[..first.leaves.len()], first.leaves[..]);
    for (head, copy) in [(old.head, &mut first), (new.head, &mut second)] {
        for (index, leaf) in (0u64..).zip(copy.leaves.clone()) {
            let path = inclusion(copy, index, head.size).unwrap();
            assert!(check_inclusion(&leaf_hash(&leaf), index, &head, &path), "{index} of {}", head.size);
            assert_eq!(Leaf::decode(&leaf).unwrap().stream.as_str(), STREAM);
        }
    }
    let proof = consistency(&mut second, old.head.size, new.head.size).unwrap();
    assert!(check_consistency(&old.head, &new.head, &proof));
    let all: Vec<u8> = second.leaves.concat();
    let text = String::from_utf8_lossy(&all).into_owned();
    for name in [NEAR_FAMILY, FAR_FAMILY, "site.example", "Staffname"] {
        assert!(!text.contains(name), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_given_beyond_what_is_signed_or_under_another_spelling() {
    let site = open().await;
    let head = grow(&site, 300).await.head;
    let doctor = site.sign_in_again(site.person(wardkeep_domain::account::Role::Doctor)).await;
    // Not signed yet.
    site.app.open_chart(&site.ctx(&doctor).await, site.near).await.unwrap();
    let width = usize::try_from(head.size % 256).unwrap();
    let last = TileId { level: 0, index: head.size / 256 };
    assert!(bytes(&site, &tile_path(last, width)).await.is_some());
    for path in [
        tile_path(last, width + 1),
        bundle_path(last.index, width + 1),
        tile_path(TileId { level: 1, index: 0 }, 2),
        tile_path(TileId { level: 1, index: 0 }, 256),
    ] {
        assert!(bytes(&site, &path).await.is_none(), "{path}");
    }
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/-1",
        "tile/64/000",
        "tile/-1/000",
        "tile/entries/1",
        "tile/entries/x001",
        "tile/0/000/checkpoint",
        "Checkpoint",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "../control.main/checkpoint",
    ] {
        assert!(bytes(&site, path).await.is_none(), "{path}");
    }
    for stream in ["records", "records.other", "RECORDS.main", "records.main%00", "..", &"a".repeat(65)] {
        assert_eq!(site.get(None, &format!("/ledger/{stream}/checkpoint")).await.status, 404, "{stream}");
    }
    let full = site.get(None, &format!("/ledger/{STREAM}/tile/0/000")).await;
    assert_eq!(
        (full.header("cache-control"), full.header("content-type")),
        ("public, max-age=31536000, immutable", "application/octet-stream")
    );
    let partial = site.get(None, &format!("/ledger/{STREAM}/tile/0/001.p/{width}")).await;
    assert_eq!((partial.status.as_u16(), partial.header("cache-control")), (200, "no-store"));
}

#[tokio::test]
async fn a_hospital_that_did_not_switch_it_on_publishes_nothing() {
    let site = Site::open().await;
    site.app.tick(&site.visit()).await.unwrap();
    for path in ["/ledger/log.vkey", "/ledger/records.main/checkpoint", "/ledger/records.main/tile/0/000.p/1"] {
        assert_eq!(site.get(None, path).await.status, 404, "{path}");
    }
}
