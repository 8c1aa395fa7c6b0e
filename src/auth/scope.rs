//! What a caller may do.

use std::fmt;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Create and change at Stripe.
    PaymentsWrite,
    /// Look at what is at Stripe.
    PaymentsRead,
    /// Look at queues and dead letters.
    OpsRead,
    /// Replay dead letters.
    OpsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::PaymentsWrite, Self::PaymentsRead, Self::OpsRead, Self::OpsWrite];

    /// As it is written in keys and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentsWrite => "payments:write",
            Self::PaymentsRead => "payments:read",
            Self::OpsRead => "ops:read",
            Self::OpsWrite => "ops:write",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// For people who choose scopes.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::PaymentsWrite => "create and change at Stripe, and read",
            Self::PaymentsRead => "read what is at Stripe",
            Self::OpsRead => "look at queues and dead letters",
            Self::OpsWrite => "replay dead letters, and look",
        }
    }

    /// Whether it shows what belongs to all accounts and orgs; a caller that is bound to one has no such scope.
    pub fn sees_everything(self) -> bool {
        matches!(self, Self::OpsRead | Self::OpsWrite)
    }

    /// Whether who has this scope may do what `asked` allows: who may write may read.
    pub(super) fn covers(self, asked: Self) -> bool {
        self == asked
            || matches!(
                (self, asked),
                (Self::PaymentsWrite, Self::PaymentsRead) | (Self::OpsWrite, Self::OpsRead)
            )
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
