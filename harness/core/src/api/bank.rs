//! A bank: transfers between accounts, and reads of all balances at once.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Map, Value, json};

/// The Api of one bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank;

/// What the bank is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reads every balance.
    Read,
    /// Moves an amount from one account to another.
    Transfer {
        /// Who pays.
        from: Key,
        /// Who is paid.
        to: Key,
        /// How much.
        amount: i64,
    },
}

/// What the bank answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The accounts with their balances, as the system gave them; `None` is a balance of nil.
    Read(Vec<(Key, Option<i64>)>),
    /// The amount was moved.
    Transferred,
}

impl Api for Bank {
    const NAME: &'static str = "bank";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Read => Payload::unkeyed("read", Value::Null),
            Call::Transfer { from, to, amount } => {
                let value = json!({ "from": from, "to": to, "amount": amount });
                Payload::unkeyed("transfer", value)
            }
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Transferred => Self::encode_call(call).value,
            Reply::Read(balances) => {
                let entries = balances.iter();
                let entries = entries.map(|(key, balance)| (key.to_string(), json!(balance)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "read" => Ok(Call::Read),
            "transfer" => {
                let part = |name| {
                    let wrong = || asked.value.error("{from, to, amount}");
                    asked.value.get(name).ok_or_else(wrong)
                };
                let (from, to) = (part("from")?.map_key(), part("to")?.map_key());
                Ok(Call::Transfer { from, to, amount: part("amount")?.int()? })
            }
            other => Err(DecodeError::unknown_f("bank", &["read", "transfer"], other)),
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        if !matches!(call, Call::Read) {
            return Ok(Reply::Transferred);
        }
        if value.is_nil() {
            return Ok(Reply::Read(Vec::new()));
        }
        let entries = value.entries().map_err(|_| value.error("a map from account to balance"))?;
        let balances = entries.map(|(key, balance)| Ok((key.map_key(), balance.int_or_nil()?)));
        balances.collect::<Result<_, DecodeError>>().map(Reply::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::{Api, Bank, Call, Key, Reply};
    use serde_json::json;

    #[test]
    fn accounts_are_numbers_also_where_json_makes_them_strings() {
        let call = Call::Transfer { from: Key::Int(1), to: Key::from(-2), amount: 5 };
        assert_eq!(Bank::encode_call(&call).decode::<Bank>().unwrap(), call);
        let read = json!({ "1": 10, "-2": null, "07": 3 });
        let Reply::Read(mut balances) = Bank::reply_from_json(&Call::Read, &read).unwrap() else {
            panic!("a read")
        };
        balances.sort();
        let named = (Key::Text("07".into()), Some(3));
        assert_eq!(balances, [(Key::Int(-2), None), (Key::Int(1), Some(10)), named]);
    }
}
