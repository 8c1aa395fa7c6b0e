//! Bodies of events as they are kept: compressed by whoever has them, so that the one writer has less to write.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Binary;
use diesel::sqlite::Sqlite;

use super::error::{Error, Result};

/// First byte of a body that is kept as it came.
const PLAIN: u8 = 0;
/// First byte of an LZ4 block; the length of the text follows in four bytes, the least first.
const LZ4: u8 = 1;

/// No body is longer; what claims to be is no body of ours.
const LONGEST: usize = 16 << 20;

/// The body of an event, packed.
#[derive(Clone, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Packs a body. It costs a few microseconds for each kB; do it off the thread that writes.
    pub fn pack(body: &str) -> Self {
        let longest = 1 + lz4_flex::block::get_maximum_output_size(body.len()) + 4;
        let mut packed = vec![0; longest];
        packed[0] = LZ4;
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST);
        let block = length.and_then(|length| {
            packed[1..5].copy_from_slice(&length.to_le_bytes());
            lz4_flex::block::compress_into(body.as_bytes(), &mut packed[5..]).ok()
        });
        match block {
            Some(block) if block + 5 <= body.len() => packed.truncate(block + 5),
            _ => {
                packed.clear();
                packed.push(PLAIN);
                packed.extend_from_slice(body.as_bytes());
            }
        }
        Self(packed)
    }

    /// The body as it was received.
    ///
    /// Errors: [`Error::Corrupt`] when what is stored was not made by [`Payload::pack`].
    pub fn unpack(&self) -> Result<String> {
        let bytes = match self.0.split_first() {
            Some((&PLAIN, body)) => body.to_vec(),
            Some((&LZ4, rest)) if rest.len() >= 4 => {
                let (length, block) = rest.split_at(4);
                let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
                if length > LONGEST {
                    return Err(corrupt(format!("a body of {length} bytes")));
                }
                let body = lz4_flex::block::decompress(block, length)
                    .map_err(|error| Error::Corrupt(Box::new(error)))?;
                if body.len() != length {
                    return Err(corrupt(format!("{} bytes instead of {length}", body.len())));
                }
                body
            }
            _ => return Err(corrupt("neither plain nor packed".to_owned())),
        };
        String::from_utf8(bytes).map_err(|error| Error::Corrupt(Box::new(error)))
    }

    /// As it is stored.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn corrupt(what: String) -> Error {
    Error::Corrupt(format!("the stored body of an event cannot be read: {what}").into())
}

impl ToSql<Binary, Sqlite> for Payload {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_slice());
        Ok(IsNull::No)
    }
}

impl ToSql<Binary, Pg> for Payload {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <[u8] as ToSql<Binary, Pg>>::to_sql(&self.0, out)
    }
}

impl<DB: Backend> FromSql<Binary, DB> for Payload
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Vec::<u8>::from_sql(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_as_it_was() {
        let event = include_str!("../bench/charge.json");
        let long = event.repeat(300);
        for body in ["", "{}", "\u{0}", "ünï", event, &long] {
            let packed = Payload::pack(body);
            assert_eq!(packed.unpack().unwrap(), body);
            assert!(packed.as_bytes().len() <= body.len() + 1, "never larger than plain: {}", body.len());
        }
        let packed = Payload::pack(event).as_bytes().len();
        assert!(packed * 10 < event.len() * 6, "{packed} of {} bytes", event.len());
    }

    #[test]
    fn what_was_not_packed_is_an_error_and_no_panic() {
        for bytes in [
            &[][..],
            b"{\"id\":1}",
            &[LZ4],
            &[LZ4, 255, 255, 255, 255, 0],
            &[LZ4, 9, 0, 0, 0, 1],
            &[PLAIN, 0xff],
        ] {
            assert!(Payload(bytes.to_vec()).unpack().is_err(), "{bytes:?}");
        }
    }
}
