//! The frozen format: every value of the committed vectors, computed again from its inputs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardkeep_ledger::Discloses;
use wardkeep_vault::term::{normalise, prefixes};
use wardkeep_vault::{Context, KeyFile, KeyProvider, PatientKey, Purpose, StreamSealer, TermBits, Vault, vault};

use crate::support::{counting, receipt, scripted};

/// Sealed bytes up to this length stand in the file as they are.
const SHOWN_BYTES: usize = 1024;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/sealed-document.json")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn small<T: TryFrom<u64>>(value: &Value) -> T {
    T::try_from(value.as_u64().unwrap()).ok().unwrap()
}

fn plain(value: &Value) -> Vec<u8> {
    match value.get("hex") {
        Some(text) => bytes(text),
        None => vec![array::<1>(&value["byte"])[0]; small(&value["length"])],
    }
}

fn shown(sealed: &[u8]) -> Value {
    match sealed.len() {
        0..=SHOWN_BYTES => json!({ "hex": hex::encode(sealed) }),
        length => json!({ "length": length, "sha256": hex::encode(vault::digest(sealed)) }),
    }
}

fn context(case: &Value) -> Context<'_> {
    Context {
        store: case["store"].as_str().unwrap(),
        kind: small(&case["kind"]),
        id: array(&case["id"]),
        version: small(&case["version"]),
        field: case["field"].as_str().unwrap(),
        schema: small(&case["schema"]),
    }
}

fn purpose(name: &str) -> Purpose {
    match name {
        "staff" => Purpose::Staff,
        "credentials" => Purpose::Credentials,
        "audit" => Purpose::Audit,
        "signing" => Purpose::Signing,
        other => panic!("no purpose {other}"),
    }
}

fn root(folder: &Path, text: &str) -> KeyFile {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("root.key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    KeyFile::open(&path).unwrap()
}

fn each(list: &mut Value, mut fill: impl FnMut(&mut Value)) {
    list.as_array_mut().unwrap().iter_mut().for_each(&mut fill);
}

/// Seals one document, opens it again, and writes its sealed form into the case.
fn fill_document(vault: &Vault, keys: &[PatientKey], case: &mut Value) {
    let (place, plain, salt) = (context(case), plain(&case["plain"]), bytes(&case["random"]));
    let sealed = match case.get("patient") {
        Some(index) => {
            let key = &keys[small::<usize>(index)];
            let sealed = vault.seal(key, &place, &plain, &mut scripted(&salt));
            assert!(*vault.open(key, &place, &sealed, &receipt(Discloses::Everything)).unwrap() == plain);
            sealed
        }
        None => {
            let purpose = purpose(case["purpose"].as_str().unwrap());
            let sealed = vault.seal_own(purpose, &place, &plain, &mut scripted(&salt));
            assert!(*vault.open_own(purpose, &place, &sealed).unwrap() == plain);
            sealed
        }
    };
    let header = hex::encode(&sealed[..57]);
    case["header"] = header.into();
    case["sealed"] = shown(&sealed);
}

fn fill_stream(keys: &[PatientKey], case: &mut Value) {
    let plain = plain(&case["plain"]);
    let key = &keys[small::<usize>(&case["patient"])];
    let mut sealer = StreamSealer::new(key, &context(case), array(&case["random"])).unwrap();
    let mut segments = sealer.push(&plain);
    segments.push(sealer.finish().0);
    case["segments"] = segments.iter().map(|segment| shown(segment)).collect();
}

fn fill_term(vault: &Vault, case: &mut Value) {
    let bits = match small::<u8>(&case["bits"]) {
        128 => TermBits::Exact,
        bits => TermBits::Bucket(bits),
    };
    let (store, field, value) = (case["store"].as_str().unwrap(), case["field"].as_str().unwrap(), case["value"].as_str().unwrap());
    let term = vault.term(store, small(&case["kind"]), field, value.as_bytes(), bits);
    case["term"] = hex::encode(term).into();
}

/// Takes only inputs from the file and computes every output.
fn filled(mut file: Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path(), file["root"]["file"].as_str().unwrap());
    file["root"]["id"] = root.key_id().into();
    let (vault, wrapped) = Vault::create(&root, &mut scripted(&bytes(&file["store_key"]["random"]))).unwrap();
    file["store_key"]["wrapped"] = hex::encode(&wrapped).into();
    file["store_key"]["id"] = hex::encode(vault.key_id()).into();
    assert_eq!(Vault::unlock(&root, &wrapped).unwrap().key_id(), vault.key_id());
    let mut keys = Vec::new();
    each(&mut file["patients"], |case| {
        let (key, wrapped) = vault.new_patient_key(array(&case["owner"]), &mut scripted(&bytes(&case["random"])));
        keys.push(vault.unwrap_patient_key(key.owner(), &wrapped).unwrap());
        case["wrapped"] = hex::encode(wrapped).into();
    });
    each(&mut file["documents"], |case| fill_document(&vault, &keys, case));
    each(&mut file["streams"], |case| fill_stream(&keys, case));
    each(&mut file["terms"], |case| fill_term(&vault, case));
    each(&mut file["names"], |case| {
        let normalised = normalise(case["text"].as_str().unwrap());
        case["prefixes"] = prefixes(&normalised).into();
        case["normalised"] = normalised.into();
    });
    file
}

fn read() -> Value {
    serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap()
}

#[test]
fn every_value_of_the_committed_vectors_is_what_the_code_gives() {
    let (committed, computed) = (read(), filled(read()));
    for part in ["root", "store_key", "patients", "documents", "streams", "terms", "names"] {
        assert!(!committed[part].is_null(), "{part} is missing");
        assert_eq!(computed[part], committed[part], "{part}");
    }
    assert_eq!(computed, committed);
}

#[test]
fn the_committed_vectors_cover_every_size_and_purpose() {
    let committed = read();
    let documents = committed["documents"].as_array().unwrap();
    for size in [0, 5, 16383, 16384, 16385] {
        assert!(documents.iter().any(|case| plain(&case["plain"]).len() == size), "size {size}");
    }
    for name in ["staff", "credentials", "audit", "signing"] {
        assert!(documents.iter().any(|case| case["purpose"] == name), "purpose {name}");
    }
    for (part, least) in [("patients", 2), ("streams", 1), ("terms", 6), ("names", 6)] {
        assert!(committed[part].as_array().unwrap().len() >= least, "{part}");
    }
}

fn random_hex(random: &mut dyn FnMut(&mut [u8]), length: usize) -> String {
    let mut buffer = vec![0; length];
    random(&mut buffer);
    hex::encode(buffer)
}

fn document_inputs(random: &mut dyn FnMut(&mut [u8])) -> Vec<Value> {
    let mut cases = Vec::new();
    for (length, byte) in [(0, "00"), (5, "68"), (16383, "01"), (16384, "02"), (16385, "03"), (32768, "04")] {
        cases.push(json!({ "patient": length % 2, "store": "records", "kind": 7, "id": random_hex(random, 16), "version": length + 1,
            "field": "", "schema": 1, "plain": { "byte": byte, "length": length }, "random": random_hex(random, 24) }));
    }
    for (at, (name, field)) in [("staff", ""), ("credentials", "secret"), ("audit", "actor"), ("signing", "seed")].into_iter().enumerate() {
        cases.push(
            json!({ "purpose": name, "store": "control", "kind": 256 + at, "id": random_hex(random, 16), "version": 1u64 << (10 * at),
            "field": field, "schema": at + 1, "plain": { "hex": hex::encode(name) },
            "random": random_hex(random, 24) }),
        );
    }
    cases
}

fn inputs() -> Value {
    let random = &mut counting(77) as &mut dyn FnMut(&mut [u8]);
    let term = |field: &str, value: &str, bits: u8| json!({ "store": "records", "kind": 1, "field": field, "value": value, "bits": bits });
    let names = [
        "",
        "Anna Müller-Lüdenscheidt",
        "O'Brien",
        "O\u{2019}Brien",
        "ÅSA  Łukasz",
        "J. R. R. Tolkien",
        "Straße 12/B",
        "ﬁnn",
        "ΣΊΣΥΦΟΣ",
        "a bb ccc dddd eeeee ffffff ggggggg hhhhhhhh iiiiiiiii",
    ];
    json!({
        "format": "wardkeep-sealed/1",
        "root": { "file": "wardkeep-root-key/1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" },
        "store_key": { "random": random_hex(random, 56) },
        "patients": [
            { "owner": random_hex(random, 16), "random": random_hex(random, 56) },
            { "owner": random_hex(random, 16), "random": random_hex(random, 56) },
        ],
        "documents": document_inputs(random),
        "streams": [{ "patient": 1, "store": "records", "kind": 9, "id": random_hex(random, 16), "version": 1, "field": "blob", "schema": 1,
            "plain": { "byte": "2a", "length": 2 * 1_048_576 + 5 }, "random": random_hex(random, 24) }],
        "terms": [term("mrn", "12345", 128), term("name", "mu", 128), term("name", "mu", 24), term("name", "mu", 12), term("name", "mu", 1),
            term("name", "mu", 0), term("name", "", 128), term("born", "1970-01", 20), term("name", "łu", 127)],
        "names": names.map(|text| json!({ "text": text })),
    })
}

#[test]
#[ignore = "makes the committed file; the format is frozen, so it refuses to overwrite"]
fn the_vectors_are_made_once() {
    let mut text = serde_json::to_string_pretty(&filled(inputs())).unwrap();
    text.push('\n');
    use std::io::Write;
    std::fs::File::create_new(file()).unwrap().write_all(text.as_bytes()).unwrap();
}
