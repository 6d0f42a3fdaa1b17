//! Runs the examples: each asserts what it shows.

#[path = "../examples/own_model.rs"]
mod own_model;
#[path = "../examples/register_history.rs"]
mod register_history;
#[path = "../examples/transactions.rs"]
mod transactions;

#[test]
fn a_register_history_is_recorded_and_checked() {
    register_history::main();
}

#[test]
fn a_model_of_ones_own_is_checked_by_the_general_engine() {
    own_model::main();
}

#[test]
fn transactions_are_checked() {
    transactions::main();
}
