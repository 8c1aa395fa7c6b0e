//! The standard objects that the project's own objects refer to, each with a few of its standard fields.

use super::schema::{Field, Kind, NumberKind, Object};

/// Account, Contact, Opportunity, Order and Product2.
pub(super) fn objects() -> Vec<Object> {
    vec![
        object(
            "Account",
            "001",
            vec![
                required(text("Name", 255)),
                text("AccountNumber", 40),
                Field::new("Type", picklist()),
                Field::new("Industry", picklist()),
                Field::new("Phone", Kind::Phone),
                Field::new("Website", Kind::Url),
                Field::new("Description", Kind::LongText { length: 32_000 }),
            ],
        ),
        object(
            "Contact",
            "003",
            vec![
                Field { writable: false, ..text("Name", 121) },
                text("FirstName", 40),
                required(text("LastName", 80)),
                Field::new("Email", Kind::Email),
                Field::new("Phone", Kind::Phone),
                text("Title", 128),
                lookup("AccountId", "Account"),
            ],
        ),
        object(
            "Opportunity",
            "006",
            vec![
                required(text("Name", 120)),
                required(Field::new("StageName", picklist())),
                required(Field::new("CloseDate", Kind::Date)),
                Field::new("Amount", currency()),
                Field::new("Description", Kind::LongText { length: 32_000 }),
                lookup("AccountId", "Account"),
            ],
        ),
        object(
            "Order",
            "801",
            vec![
                text("Name", 80),
                required(Field::new("Status", picklist())),
                required(Field::new("EffectiveDate", Kind::Date)),
                Field { writable: false, ..text("OrderNumber", 30) },
                Field { writable: false, ..Field::new("TotalAmount", currency()) },
                Field::new("Description", Kind::LongText { length: 32_000 }),
                required(lookup("AccountId", "Account")),
            ],
        ),
        object(
            "Product2",
            "01t",
            vec![
                required(text("Name", 255)),
                text("ProductCode", 255),
                Field::new("Description", Kind::LongText { length: 4_000 }),
                Field::new("IsActive", Kind::Checkbox),
                Field::new("Family", picklist()),
            ],
        ),
    ]
}

/// What every object has and only the platform writes.
pub(super) fn system_fields() -> Vec<Field> {
    let read_only = |name, kind| Field { writable: false, ..Field::new(name, kind) };
    vec![
        read_only("Id", Kind::Id),
        read_only("IsDeleted", Kind::Checkbox),
        read_only("CreatedDate", Kind::DateTime),
        read_only("LastModifiedDate", Kind::DateTime),
        read_only("SystemModstamp", Kind::DateTime),
    ]
}

fn object(name: &str, prefix: &str, own: Vec<Field>) -> Object {
    let mut fields = system_fields();
    fields.extend(own);
    Object::standard(name, prefix, fields)
}

fn text(name: &str, length: usize) -> Field {
    Field::new(name, Kind::Text { length })
}

fn required(field: Field) -> Field {
    Field { required: true, ..field }
}

/// The values of standard picklists differ from org to org, so any value is taken.
fn picklist() -> Kind {
    Kind::Picklist { values: Vec::new(), restricted: false }
}

fn currency() -> Kind {
    Kind::Number { precision: 18, scale: 2, of: NumberKind::Currency }
}

fn lookup(name: &str, to: &str) -> Field {
    let relationship = name.trim_end_matches("Id").to_owned();
    Field::new(name, Kind::Lookup { to: to.to_owned(), relationship })
}
