//! One suite that every engine passes. Not compiled into release callers unless used.
