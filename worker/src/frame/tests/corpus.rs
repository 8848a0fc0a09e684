//! Odd files, one line each.
