//! The records that a new sandbox org begins with.

use super::Salesforce;

/// The id of the sample Account.
pub const ACCOUNT_ID: &str = "001Kj000004NwRbIAK";
/// The id of the sample Contact.
pub const CONTACT_ID: &str = "003Kj000007NwMkIAK";
/// The id of the sample Opportunity.
pub const OPPORTUNITY_ID: &str = "006Kj000002NwArIAK";
/// The id of the sample Order.
pub const ORDER_ID: &str = "801Kj000001NwRdIAK";

/// Inserts the sample records; a second time puts them back as they were.
pub(super) fn seed(org: &Salesforce) {
    org.insert(
        "Account",
        Some(ACCOUNT_ID),
        &[
            ("Name", "Northwind Robotics"),
            ("Industry", "Manufacturing"),
            ("Phone", "+49 30 5550 1170"),
            ("Website", "https://northwind.example"),
        ],
    );
    org.insert(
        "Contact",
        Some(CONTACT_ID),
        &[
            ("Name", "Ada Brandt"),
            ("FirstName", "Ada"),
            ("LastName", "Brandt"),
            ("Email", "ada.brandt@northwind.example"),
            ("Title", "Head of Purchasing"),
            ("AccountId", ACCOUNT_ID),
        ],
    );
    org.insert(
        "Opportunity",
        Some(OPPORTUNITY_ID),
        &[
            ("Name", "Northwind Robotics: twelve welding arms"),
            ("StageName", "Negotiation/Review"),
            ("CloseDate", "2027-01-29"),
            ("Amount", "84000.00"),
            ("AccountId", ACCOUNT_ID),
        ],
    );
    org.insert(
        "Order",
        Some(ORDER_ID),
        &[
            ("Name", "Spare parts, January"),
            ("OrderNumber", "00000100"),
            ("Status", "Draft"),
            ("EffectiveDate", "2027-01-04"),
            ("AccountId", ACCOUNT_ID),
        ],
    );
}
