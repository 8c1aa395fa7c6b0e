//! Certificates whose private key may sign for a caller.

use diesel::prelude::*;

use super::connection::{Conn, on_backend};
use super::error::Result;
use super::schema::certificates;

/// A certificate, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = certificates)]
pub struct Certificate {
    /// The API key it signs for.
    pub key_id: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
    /// PEM.
    pub certificate: String,
    /// Its own end; milliseconds since 1970.
    pub expires_at: i64,
    /// When it was trusted.
    pub created_at: i64,
    /// When somebody withdrew the trust.
    pub revoked_at: Option<i64>,
}

/// Trusts a certificate, also one that was withdrawn before.
pub fn trust(conn: &mut Conn, certificate: &Certificate) -> Result<()> {
    on_backend!(conn, c => diesel::insert_into(certificates::table)
        .values(certificate)
        .on_conflict((certificates::key_id, certificates::fingerprint))
        .do_update()
        .set((
            certificates::created_at.eq(certificate.created_at),
            certificates::revoked_at.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(())
}

/// Withdraws the trust and says whether there was any.
pub fn distrust(conn: &mut Conn, key_id: &str, fingerprint: &str, now_ms: i64) -> Result<bool> {
    let rows = on_backend!(conn, c => diesel::update(certificates::table.find((key_id, fingerprint)))
        .filter(certificates::revoked_at.is_null())
        .set(certificates::revoked_at.eq(now_ms))
        .execute(c))?;
    Ok(rows == 1)
}

/// All that are trusted, also those past their end; the newest first.
pub fn trusted(conn: &mut Conn) -> Result<Vec<Certificate>> {
    on_backend!(conn, c => Ok(certificates::table
        .filter(certificates::revoked_at.is_null())
        .order((certificates::created_at.desc(), certificates::fingerprint))
        .select(Certificate::as_select())
        .load(c)?))
}
