//! Transactions that got into the way of others.

/// Whether PostgreSQL ended a transaction because it and others waited for each other, or could not be put in an order.
/// Nothing of it was committed.
pub fn gave_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|database| database.code());
    code.is_some_and(|code| ["40001", "40P01"].contains(&code.as_ref()))
}
