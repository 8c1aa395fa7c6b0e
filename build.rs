//! Rebuilds when what is embedded changes.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=apex/force-app/main/default/objects");
}
