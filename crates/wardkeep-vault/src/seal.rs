//! The bytes of a sealed document: suite ‖ salt ‖ commitment ‖ chunks (`docs/spec/sealed-document.md`).
