//! Statements written by hand that a connection compiles once.

use diesel::QueryResult;
use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// Text, a tuple of bound values, text. `diesel::sql_query` would have the database compile it anew at each call; this one
/// is kept with the connection, found again by its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<V> {
    pub(super) before: &'static str,
    pub(super) values: V,
    pub(super) after: &'static str,
}

impl<V, DB: Backend> QueryFragment<DB> for Statement<V>
where
    V: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.before);
        self.values.walk_ast(out.reborrow())?;
        out.push_sql(self.after);
        Ok(())
    }
}

impl<V> QueryId for Statement<V> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// If it gives rows, they are two texts.
impl<V> Query for Statement<V> {
    type SqlType = (diesel::sql_types::Text, diesel::sql_types::Text);
}

impl<V, C> RunQueryDsl<C> for Statement<V> {}
