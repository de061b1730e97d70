//! The web layer as its clients meet it: requests into the router, in one process, with memory
//! stores, a clock that tests move and seeded randomness.

mod breakable;
mod crawl;
mod forged;
mod input;
mod leaks;
mod lessons;
mod matrix;
mod pace;
mod samples;
mod server;
mod signing_in;
mod site;
