//! Published answers: the library is called the way its makers mean.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use wardkeep_vault::vault::{Digest, digest};

fn gcm_of_zeros(length: usize) -> (String, String) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0; 32]).unwrap());
    let mut bytes = vec![0; length];
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut bytes).unwrap();
    (hex::encode(bytes), hex::encode(tag.as_ref()))
}

#[test]
fn aes_256_gcm_gives_test_cases_13_and_14_of_the_gcm_specification() {
    assert_eq!(gcm_of_zeros(0), (String::new(), "530f8afbc74536b9a963b4f1c4cb738b".into()));
    assert_eq!(gcm_of_zeros(16), ("cea7403d4d606b6e074ec5d3baf39d18".into(), "d0d1c8a799996bf0265b98b5d48ab919".into()));
}

#[test]
fn hmac_sha_256_gives_case_2_of_rfc_4231() {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"Jefe"), b"what do ya want for nothing?");
    assert_eq!(hex::encode(mac.as_ref()), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn the_digest_is_sha_256_in_one_piece_or_in_many() {
    assert_eq!(hex::encode(digest(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let mut parts = Digest::new();
    for part in [b"a", b"b", b"c"] {
        parts.update(part);
    }
    assert_eq!(parts.finish(), digest(b"abc"));
}
