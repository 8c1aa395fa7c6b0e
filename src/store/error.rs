//! What can go wrong with the store, named by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The result of everything in the store.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or refuses to work now. Trying again later can help; nothing was changed.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another row is in the way.
    #[error("a row with the same key exists")]
    Conflict(#[source] DieselError),
    /// What is stored cannot be read as what it should be, or the statement does not fit the tables.
    #[error("the database holds something unexpected")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict(error),
            DieselError::DeserializationError(_)
            | DieselError::SerializationError(_)
            | DieselError::QueryBuilderError(_)
            | DieselError::NotFound => Self::Corrupt(Box::new(error)),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
