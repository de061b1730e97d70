//! The memory engine: the contract in its plainest form, for tests and simulation.
