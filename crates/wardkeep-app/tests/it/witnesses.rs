//! What a hospital makes of a witness's answers, also of those that no witness should give.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wardkeep_app::posture::Health;
use wardkeep_app::witnesses::{AddCheckpoint, Said, Witness};
use wardkeep_ledger::witness::{Request, WitnessSigner};

use crate::hospital::House;

/// Answers with each of these in turn, then with the last one again and again.
#[derive(Default)]
struct Answers {
    left: Mutex<Vec<Result<(u16, &'static str), &'static str>>>,
    /// Sizes that it was said to know.
    asked: Mutex<Vec<u64>>,
}

#[async_trait]
impl AddCheckpoint for Answers {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        self.asked.lock().unwrap().push(Request::parse(&body).unwrap().old);
        let mut left = self.left.lock().unwrap();
        let next = if left.len() > 1 { left.remove(0) } else { left[0] };
        next.map(|(status, body)| (status, body.to_owned())).map_err(str::to_owned)
    }
}

/// Cosigns everything.
struct Willing(WitnessSigner, Mutex<Vec<u64>>);

#[async_trait]
impl AddCheckpoint for Willing {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        let request = Request::parse(&body).unwrap();
        self.1.lock().unwrap().push(request.old);
        Ok((200, self.0.cosign(request.note, 1_795_600_000).unwrap()))
    }
}

fn signer(seed: u8) -> WitnessSigner {
    WitnessSigner::from_seed("vault.example", &[seed; 32]).unwrap()
}

/// A hospital with sealed logs.
async fn sealed() -> House {
    let house = House::new().await;
    house.app.tick(&house.visit()).await.unwrap();
    house
}

#[tokio::test]
async fn an_answer_that_proves_nothing_alarms_nobody_and_one_that_contradicts_is_told() {
    for (answers, otherwise, words) in [
        (vec![Err("connection refused")], false, "connection refused"),
        (vec![Ok((200, "\u{2014} vault.example AAAA\n"))], false, "does not hold"),
        (vec![Ok((200, ""))], false, "does not hold"),
        (vec![Ok((404, "no"))], false, "does not know this log"),
        (vec![Ok((403, "no"))], false, "does not know this log"),
        (vec![Ok((500, "no"))], false, "status 500"),
        (vec![Ok((302, "no"))], false, "status 302"),
        (vec![Ok((409, "many\n"))], false, "which size"),
        (vec![Ok((409, "0\n"))], false, "which size"),
        (vec![Ok((409, "1\n")), Ok((409, "2\n")), Ok((409, "1\n"))], false, "another size each time"),
        (vec![Ok((409, "1\n")), Ok((422, ""))], true, "other entries among the first 1 of"),
        (vec![Ok((409, "999999\n"))], true, "saw 999999 entries of"),
    ] {
        let house = sealed().await;
        let witness = Arc::new(Answers { left: Mutex::new(answers), ..Answers::default() });
        house.app.expect_witnesses(vec![Witness::new(signer(1).key(), witness)]);
        let said = house.app.show_witnesses().await.unwrap();
        let (Said::Nothing(told) | Said::Otherwise(told)) = &said[0] else { panic!("{words}: {said:?}") };
        assert!(told.contains(words) && matches!(said[0], Said::Otherwise(_)) == otherwise, "{words}: {said:?}");
    }
}

#[tokio::test]
async fn the_size_that_it_cosigned_is_what_it_is_asked_from_next_and_another_key_is_no_witness() {
    let house = sealed().await;
    let willing = Arc::new(Willing(signer(1), Mutex::default()));
    let foreign = Arc::new(Willing(signer(2), Mutex::default()));
    house.app.expect_witnesses(vec![Witness::new(signer(1).key(), willing.clone()), Witness::new(signer(1).key(), foreign)]);
    let said = house.app.show_witnesses().await.unwrap();
    assert_eq!(said[0], Said::Cosigned);
    assert!(matches!(&said[1], Said::Nothing(cause) if cause.contains("is it the key")), "{said:?}");
    house.app.show_witnesses().await.unwrap();
    let asked = willing.1.lock().unwrap().clone();
    assert!(asked[..2] == [0, 0] && asked[2..].iter().all(|old| *old > 0), "{asked:?}");
}

#[tokio::test]
async fn an_outage_and_a_contradiction_raise_one_alarm_each() {
    let house = sealed().await;
    let silent = Arc::new(Answers { left: Mutex::new(vec![Err("no answer in time")]), ..Answers::default() });
    house.app.expect_witnesses(vec![Witness::new(signer(1).key(), silent)]);
    let since = house.visit().now;
    for _ in 0..2 {
        house.app.note_unseen(&house.visit(), "vault.example", since, "no answer in time").await.unwrap();
        house.app.note_otherwise(&house.visit(), "vault.example", "it saw 12 entries").await.unwrap();
    }
    let mut kinds: Vec<String> = house.app.alarms(&house.operator()).await.unwrap().into_iter().map(|alarm| alarm.kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["integrity", "no witness"]);
    house.wait_ms(60 * 60 * 1000);
    house.app.note_unseen(&house.visit(), "vault.example", house.visit().now, "no answer in time").await.unwrap();
    assert_eq!(house.app.alarms(&house.operator()).await.unwrap().len(), 3, "another outage");
    let lines = house.app.posture(&house.operator()).await.unwrap();
    let line = lines.iter().find(|line| line.what == "Witness vault.example").unwrap();
    assert_eq!(line.health, Health::Failing);
    let alone = House::new().await;
    let lines = alone.app.posture(&alone.operator()).await.unwrap();
    assert_eq!(lines.iter().find(|line| line.what == "Witnesses").unwrap().health, Health::Warning);
}
