//! Log lines: to standard error, for people or for machines.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts logging; everything before is silent.
///
/// Errors: logging was started before.
pub fn start(config: &LogConfig) -> Result<(), TryInitError> {
    // The server's own lines say nothing that ours do not.
    let quiet =
        Targets::new().with_targets(["actix_server", "actix_http"].map(|target| (target, LevelFilter::WARN)));
    let asked: Targets = config.level.parse().unwrap_or_default();
    let filter = quiet.with_targets(asked.iter().map(|(target, level)| (target.to_owned(), level)));
    let filter = match asked.default_level() {
        Some(level) => filter.with_default(level),
        None => filter,
    };
    let lines = fmt::layer().with_writer(|| Lines(io::stderr())).with_ansi(io::stderr().is_terminal());
    let lines = match config.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
}

/// Writes each event as one line. What others sent may have line breaks in it, and must not look like a line of ours.
#[derive(Debug)]
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (text, end) = match event.strip_suffix(b"\n") {
            Some(text) => (text, "\n"),
            None => (event, ""),
        };
        let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
        if !text.iter().any(breaks) {
            self.0.write_all(event)?;
        } else {
            let line: Vec<u8> = text
                .iter()
                .flat_map(|byte| match byte {
                    b'\n' => &br"\n"[..],
                    b'\r' => &br"\r"[..],
                    other => std::slice::from_ref(other),
                })
                .copied()
                .chain(end.bytes())
                .collect();
            self.0.write_all(&line)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_sent_makes_no_line_of_its_own() {
        let mut lines = Lines(Vec::new());
        lines.write_all(b"INFO mapping: `x\r\nERROR all is lost` is no id\n").unwrap();
        lines.write_all(b"INFO ready\n").unwrap();
        assert_eq!(lines.0, b"INFO mapping: `x\\r\\nERROR all is lost` is no id\nINFO ready\n");
    }
}
