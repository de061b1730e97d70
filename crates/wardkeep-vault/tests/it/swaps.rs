//! Every pair of places that differ in anything refuses the other's document on the commitment.

use wardkeep_vault::{Context, OpenError, Purpose};

use crate::support::{ANNA, BERT, PLACE, counting, covers, house, vault};

fn places() -> Vec<Context<'static>> {
    vec![
        PLACE,
        Context { store: "control", ..PLACE },
        Context { store: "", ..PLACE },
        Context { store: "record", field: "s", ..PLACE },
        Context { kind: 8, ..PLACE },
        Context { kind: 0x0700, ..PLACE },
        Context { id: [0x12; 16], ..PLACE },
        Context { id: ANNA, ..PLACE },
        Context { version: 4, ..PLACE },
        Context { version: 3 << 56, ..PLACE },
        Context { field: "blob", ..PLACE },
        Context { field: "\0", ..PLACE },
        Context { schema: 2, ..PLACE },
        Context { schema: 0x0100, ..PLACE },
        Context { kind: 1, schema: 7, ..PLACE },
    ]
}

// ASVS 6.7.1, 8.4.1
#[test]
fn every_pair_of_places_keys_and_purposes_refuses_each_others_documents() {
    let house = house();
    let (anna_again, _) = house.vault.new_patient_key(ANNA, &mut counting(9));
    let keys = [&house.anna, &house.bert, &anna_again];
    let purposes = [Purpose::Staff, Purpose::Credentials, Purpose::Audit, Purpose::Signing];
    let spots: Vec<(usize, Context<'static>)> =
        (0..keys.len() + purposes.len()).flat_map(|key| places().into_iter().map(move |place| (key, place))).collect();
    // The same salt everywhere: nothing but key and context may tell the documents apart.
    let seal = |(key, place): &(usize, Context<'static>)| match keys.get(*key) {
        Some(patient) => house.vault.seal(patient, place, b"hello", &mut counting(3)),
        None => house.vault.seal_own(purposes[key - keys.len()], place, b"hello", &mut counting(3)),
    };
    let open = |(key, place): &(usize, Context<'static>), sealed: &[u8]| match keys.get(*key) {
        Some(patient) => house.vault.open(patient, place, sealed, &covers(patient.owner())),
        None => house.vault.open_own(purposes[key - keys.len()], place, sealed),
    };
    for from in &spots {
        let sealed = seal(from);
        for to in &spots {
            match open(to, &sealed) {
                Ok(plain) => assert!(from == to && **plain == *b"hello", "{from:?} opened as {to:?}"),
                Err(error) => assert!(from != to && error == OpenError::Commitment, "{from:?} as {to:?}: {error}"),
            }
        }
    }
}

// ASVS 8.4.1
#[test]
fn a_document_of_another_hospital_is_refused() {
    let (here, there) = (vault(1), vault(4));
    assert_ne!(here.key_id(), there.key_id());
    let sealed = here.seal_own(Purpose::Staff, &PLACE, b"hello", &mut counting(3));
    assert_eq!(there.open_own(Purpose::Staff, &PLACE, &sealed).unwrap_err(), OpenError::Commitment);
}

// ASVS 8.4.1
#[test]
fn a_wrapped_patient_key_opens_only_for_its_patient_epoch_and_hospital() {
    let (here, there) = (vault(1), vault(4));
    let (key, wrapped) = here.new_patient_key(ANNA, &mut counting(5));
    assert_eq!(wrapped[..4], [0, 0, 0, 1]);
    let again = here.unwrap_patient_key(ANNA, &wrapped).unwrap();
    assert_eq!(again.owner(), ANNA);
    let sealed = here.seal(&key, &PLACE, b"hello", &mut counting(3));
    assert_eq!(**here.open(&again, &PLACE, &sealed, &covers(ANNA)).unwrap(), *b"hello");

    assert_eq!(here.unwrap_patient_key(BERT, &wrapped).unwrap_err(), OpenError::Commitment);
    assert_eq!(there.unwrap_patient_key(ANNA, &wrapped).unwrap_err(), OpenError::Commitment);
    for at in 0..wrapped.len() {
        let mut other = wrapped.clone();
        other[at] ^= 1;
        let expected = match at {
            4 => OpenError::Shape,
            0..61 => OpenError::Commitment,
            _ => OpenError::Tag,
        };
        assert_eq!(here.unwrap_patient_key(ANNA, &other).unwrap_err(), expected, "byte {at}");
    }
    for cut in 0..wrapped.len() {
        assert!(here.unwrap_patient_key(ANNA, &wrapped[..cut]).is_err(), "cut to {cut}");
    }
}
