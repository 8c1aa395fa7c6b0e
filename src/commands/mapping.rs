//! `paybridge mapping`: which records Stripe's objects become.

use std::path::PathBuf;

use super::Failure;
use crate::app::load_mapping;
use crate::config::Config;
use crate::mapping::{self, Mapped, Wish};

/// What to do with the mapping.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Show the records that an event would be sent as; nothing is sent
    Preview {
        /// A file with the event as Stripe sends it
        event: PathBuf,
    },
    /// Print the default mapping
    Default,
}

pub(super) fn run(config: &Config, action: Action) -> Result<(), Failure> {
    match action {
        Action::Default => print!("{}", mapping::DEFAULT),
        Action::Preview { event } => {
            let text = std::fs::read_to_string(&event)
                .map_err(|error| Failure(format!("{} cannot be read: {error}", event.display())))?;
            let version = config.stripe.values().next().map(|account| account.api_version.as_str());
            let version = version.unwrap_or(crate::config::STRIPE_API_VERSION);
            match load_mapping(&config.mapping)?.map(&text, version)? {
                Mapped::Foreign(object, other) => println!(
                    "the event is written in API version {other}, not {version}: {} {} would be read from Stripe",
                    object.object, object.id
                ),
                Mapped::Changes(changes, _) if changes.is_empty() => {
                    println!("no record is made of this event")
                }
                Mapped::Changes(changes, wishes) => {
                    for change in changes {
                        println!("{} {}", change.sobject, change.external_id);
                        for (field, value) in change.fields.iter() {
                            println!("  {field} = {}", serde_json::to_string(value)?);
                        }
                        for note in &change.notes {
                            println!("  note: {note}");
                        }
                    }
                    for wish in wishes {
                        match wish {
                            Wish::Object(object) => {
                                println!("read beside, if it is not known: {} {}", object.object, object.id);
                            }
                            Wish::Contents(of) => {
                                println!("listed beside: what {} {} consists of", of.object, of.id);
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
