//! The web layer as its clients meet it: requests into the router, in one process, with memory
//! stores, a clock that tests move and seeded randomness.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and its modules see each other"
)]

mod api_chart;
mod api_files;
mod api_house;
mod api_input;
mod api_openapi;
mod api_samples;
mod api_session;
mod api_site;
mod assertions;
mod breakable;
mod care;
mod crawl;
mod drafts;
mod emergency;
mod erasure;
mod fail_closed;
mod fields;
mod forged;
mod input;
mod issuer;
mod leaks;
mod lessons;
mod matrix;
mod pace;
mod passkey_device;
mod passkeys;
mod passwords;
mod policy;
mod published;
mod same_answer;
mod samples;
mod server;
mod service_accounts;
mod sessions;
mod sign_on;
mod sign_on_forged;
mod signing_in;
mod site;
mod two_person;
mod unusual;
