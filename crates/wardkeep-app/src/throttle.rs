//! Throttle without lock-out: rising waits per address and per account and factor. Counters live
//! in the control store, never in a cookie.
