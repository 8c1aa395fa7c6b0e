//! `paybridge trace`: why a record looks as it does.

use super::Failure;
use crate::app;
use crate::config::Config;
use crate::ops::trace::TraceRecord;

/// What to look for.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Stripe's id of an object or an event
    id: String,
    /// Also print the fields as they are sent
    #[arg(long)]
    fields: bool,
}

pub(super) async fn run(config: Config, options: Options) -> Result<(), Failure> {
    let ops = tokio::task::spawn_blocking(move || app::operators(&config)).await??;
    let Some(trace) = ops.trace(&options.id, None).await? else {
        return Err(Failure(format!("nothing was received or made of `{}`", options.id)));
    };
    println!("{}", trace.stripe_id);
    if trace.records.is_empty() {
        println!("  no record was made of it");
    }
    for record in &trace.records {
        tell(record, options.fields);
    }
    println!();
    for step in &trace.steps {
        println!("{}  {}", step.happened_at, step.sentence);
    }
    Ok(())
}

fn tell(record: &TraceRecord, fields: bool) {
    println!("  {} in org {}: {}", record.object_name, record.org_name, record.standing);
    if let Some(id) = &record.salesforce_id {
        println!("    record {id}");
    }
    println!("    state of {}, made by mapping {}", record.event_id, record.mapping_version);
    for line in record.carried_fields.lines() {
        println!("    {line}");
    }
    for line in record.parents.lines() {
        println!("    points to {line}");
    }
    if let Some(id) = &record.dead_letter_id {
        println!("    see: paybridge dead-letters show {id}");
    }
    if fields {
        println!("    fields: {}", record.payload);
    }
}
