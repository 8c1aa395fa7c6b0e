//! What was asked of the org, for those who count calls.

/// One HTTP call that the org took, also one that it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method, upper case.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// How many subrequests a composite call had; 0 for any other call.
    pub subrequests: usize,
    /// The number of records in each collection that the call carried, in order.
    pub collections: Vec<usize>,
    /// The HTTP status of the answer; 0 when there was none.
    pub status: u16,
}
