//! The offline verifier: published log bytes and the public key, nothing else.
//!
//! Published layout of one stream (C2SP tlog-tiles), below `<data>/ledger/<stream>/`:
//! `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` (entry bundles: u16 big endian
//! length, then the leaf).
