//! The commands of paybridge; no logic of its own.

fn main() {}
