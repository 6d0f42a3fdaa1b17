//! Each format by example: what is read, and what is said of what can't be.

use super::{Format, ReadError, Summary, read};
use crate::event::RawEvent;
use crate::history::{Refused, Sink};
use crate::limits::Limits;
use std::fmt::Write as _;
use std::io::Read;

/// Every event in one line of text, to compare.
#[derive(Default)]
struct Seen(Vec<String>);

impl Sink for Seen {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let mut line = String::new();
        if let Some(index) = raw.index {
            write!(line, "{index} ").unwrap();
        }
        if let Some(time) = raw.time {
            write!(line, "@{} ", time.0).unwrap();
        }
        write!(line, "{:?} {} {}", raw.kind, raw.process, raw.asked.f).unwrap();
        if let Some(key) = raw.asked.key {
            write!(line, " {key} ->").unwrap();
        }
        write!(line, " {}", raw.asked.value).unwrap();
        if let Some(node) = raw.node {
            write!(line, " on {node}").unwrap();
        }
        if let Some(error) = raw.error {
            write!(line, " because {error}").unwrap();
        }
        self.0.push(line);
        Ok(())
    }
}

fn try_read(format: Format, reader: impl Read) -> (Vec<String>, Result<Summary, ReadError>) {
    let mut seen = Seen::default();
    let result = read(format, reader, &mut seen, &Limits::default());
    (seen.0, result)
}

fn events(format: Format, text: &str) -> Vec<String> {
    let (events, result) = try_read(format, text.as_bytes());
    let summary = result.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(summary.events, events.len() as u64);
    events
}

fn edn(text: &str) -> Vec<String> {
    events(Format::Edn, text)
}

/// The value of an event, as it is read and shown.
fn edn_value(text: &str) -> String {
    let events = edn(&format!("{{:process 0 :type :ok :f :read :value {text}}}"));
    events[0].strip_prefix("Ok 0 read ").unwrap().to_owned()
}

fn error(format: Format, text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    match try_read(format, text).1 {
        Ok(summary) => panic!("{summary:?} of {:?}", String::from_utf8_lossy(text)),
        Err(error) => error.to_string(),
    }
}

mod edn_text {
    use super::{Format, edn, edn_value, error};

    #[test]
    fn a_stream_of_maps_in_any_order_of_keys() {
        let text = "{:index 0, :time 5, :type :invoke, :process 0, :f :read, :value nil}\n\
                    {:value 3 :f :read :process 0 :type :ok :error [:a \"b\"] :node \"n1\" :x {}}";
        assert_eq!(edn(text), ["0 @5 Invoke 0 read nil", "Ok 0 read 3 on n1 because [:a \"b\"]"]);
    }

    #[test]
    fn vectors_lists_records_comments_and_discards() {
        for (open, close) in [("[", "]"), ("(", ")"), ("", ""), ("\u{FEFF}[", "]\n; end")] {
            let text = format!(
                "{open}; a comment ] }}\n \
                 #jepsen.history.Op{{:type :invoke, :f :read, :process 1}},\
                 #_ #_ {{:type :odd}} [1 {{2 3}}]\
                 #knossos.op.Op {{:type :ok :f :read #_ 1 :process 1}}\
                 {close}"
            );
            assert_eq!(edn(&text), ["Invoke 1 read nil", "Ok 1 read nil"], "{text}");
        }
        assert_eq!(edn(" ; nothing"), <[&str; 0]>::default());
        assert_eq!(edn("[]"), <[&str; 0]>::default());
    }

    #[test]
    fn every_kind_of_value() {
        for (text, shown) in [
            ("nil", "nil"),
            ("true", "true"),
            ("-12", "-12"),
            ("+12N", "12"),
            ("123456789012345678", "123456789012345678"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.5e1", "15.0"),
            ("2.50M", "2.5"),
            ("1/2", "0.5"),
            ("0x10", "16"),
            ("##Inf", "inf"),
            (":a/b.c", ":a/b.c"),
            ("java.lang.X$1", ":java.lang.X$1"),
            ("-", ":-"),
            ("->x", ":->x"),
            (r#""a\n\"\\\u00e9\ud83d\ude00é""#, r#""a\n\"\\é😀é""#),
            ("[1,2 ,, 3]", "[1 2 3]"),
            ("(1 (2) [])", "[1 [2] []]"),
            ("#{1 :b}", "#{1 :b}"),
            ("{:a 1, \"b\" [2]}", "{:a 1 \"b\" [2]}"),
            ("#inst \"2020\"", "#:inst \"2020\""),
            ("#:x{:y 1}", "#::x {:y 1}"),
            ("#\"[a-z]\\\\d\"", r#""[a-z]\\d""#),
            (r"[\a \space \( \u0041 \é]", r#"["a" " " "(" "A" "é"]"#),
            ("[1 #_ 2 3 #_[4 {5 6}]]", "[1 3]"),
            ("[1 ;c ]\n 2]", "[1 2]"),
        ] {
            assert_eq!(edn_value(text), shown, "{text}");
        }
    }

    #[test]
    fn names_of_nemeses_and_times_that_are_none() {
        assert_eq!(
            edn("{:type :info :f :start :process :nemesis :value {:n1 #{:n2}} :time -1 :index nil}
                 {:type :info :process :nemesis-2 :value nil}"),
            ["Info nemesis start {:n1 #{:n2}}", "Info nemesis nemesis nil"]
        );
    }

    #[test]
    fn elle_leaves_f_away_and_small_histories_leave_processes_away() {
        assert_eq!(
            edn("{:type :invoke :process 0 :value ([:r :x nil])} {:type :info :process 0}"),
            ["Invoke 0 txn [[:r :x nil]]", "Info 0 txn nil"]
        );
        assert_eq!(
            edn("{:type :invoke :f :read} {:type :ok :f :read}"),
            ["Invoke 0 read nil", "Ok 0 read nil"]
        );
        let mixed = "{:type :invoke :f :read}\n{:type :ok :f :read :process 3}";
        assert!(error(Format::Edn, mixed).starts_with("line 2, column 30: a process, but events"));
        let mixed = "{:type :invoke :f :read :process 3}\n{:type :ok :f :read}";
        assert!(
            error(Format::Edn, mixed).starts_with("line 2, column 1: an event without process")
        );
    }

    #[test]
    fn a_key_beside_the_value_or_in_front_of_it() {
        let rest = ":type :ok :process 0 :f :cas";
        assert_eq!(edn(&format!("{{{rest} :key 1 :value [2 3]}}")), ["Ok 0 cas 1 -> [2 3]"]);
        assert_eq!(
            edn(&format!("{{{rest} :value [1 [2 3]] :keyed true}}")),
            ["Ok 0 cas 1 -> [2 3]"]
        );
        assert!(
            error(Format::Edn, format!("{{{rest} :value 1 :keyed true}}"))
                .contains("expected [key value]")
        );
    }

    const WRONG: &[(&str, &str)] = &[
        (
            "[{:type :ok :process 0 :f :read}\n",
            "line 2, column 1: expected an event or the bracket that closes the [ of line 1, \
                 column 1, found the end of the text",
        ),
        (
            "{:type :ok\n :value [1 (2",
            "line 2, column 14: expected ), found the end of the text; \
                 the ( of line 2, column 12 is open",
        ),
        (
            "{:type :ok :value [1 (2]}",
            "line 1, column 24: expected ), found ]; the ( of line 1, column 22 is open",
        ),
        (
            "{:type :ok, :process 0\n{:type :ok}",
            "line 2, column 1: expected a key such as :type, or the event's closing }, found \
                 {:type :ok}; the { of line 1, column 1 is open",
        ),
        (
            "{:type :ok :process 0 :f :read]",
            "line 1, column 31: expected }, found ]; the { of line 1, column 1 is open",
        ),
        (
            "{:type :ok :process 0 :f}",
            "line 1, column 25: expected the value of the last key, found }; \
                 the { of line 1, column 1 is open",
        ),
        ("]", "line 1, column 1: expected an event, found ], but no bracket is open"),
        (
            "[1 2]",
            "line 1, column 2: expected an event like {:type :invoke, :process 0, :f :read, \
                 :value nil}, found 1",
        ),
        (
            "{:process 0 :f :read}",
            "line 1, column 1: an event without type; expected one like {:type :invoke, \
                 :process 0, :f :read, :value nil}",
        ),
        (
            "{:type :odd :process 0 :f :read}",
            "line 1, column 8: expected the type invoke, ok, fail or info, found :odd",
        ),
        (
            "{:type :ok :process nil :f :read}",
            "line 1, column 21: expected a process: a whole number from 0, or the word \
                 nemesis, found nil",
        ),
        (
            "{:type :ok :process \"3\" :f :read}",
            "line 1, column 21: expected a process: a whole number from 0, or the word \
                 nemesis, found \"3\"",
        ),
        (
            "{:type :ok :index -1 :process 0 :f :read}",
            "line 1, column 19: expected an index: a whole number from 0, found -1",
        ),
        (
            "{:type :ok :time -2 :process 0 :f :read}",
            "line 1, column 18: expected a time: whole nanoseconds from 0, found -2",
        ),
        (
            "{:type :invoke :process 0}",
            "line 1, column 1: an event without f; expected one like {:type :invoke, \
                 :process 0, :f :read, :value nil}",
        ),
        (
            "{:type :ok :process 0 :f :read :process 1}",
            "line 1, column 32: an event has one process, but here is a second",
        ),
        (
            "{:value 99999999999999999999}",
            "line 1, column 9: expected a whole number that fits 64 bits, found \
                 99999999999999999999",
        ),
        ("{:value 12ab}", "line 1, column 9: expected a number, found 12ab"),
        ("{:value #<Object>}", "line 1, column 9: expected a value, found #<Object>}"),
        ("{: 1}", "line 1, column 2: expected a keyword, found : 1}"),
        (
            "{:value \"a\\q\"}",
            "line 1, column 11: expected \\n \\t \\r \\b \\f \\\" \\\\ or \\uXXXX, found \\q",
        ),
        (
            "{:value \"abc\n",
            "line 2, column 1: expected \" at a string's end, found the end of the text; \
                 the \" of line 1, column 9 is open",
        ),
        (
            "{:value #inst }",
            "line 1, column 15: expected a value, found }; the tag of line 1, column 9 is open",
        ),
    ];

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, message) in WRONG {
            assert_eq!(error(Format::Edn, text), *message, "{text}");
            let later = format!("{{:type :ok :process 0 :f :read}}\n\n; é\n{text}");
            let line: u64 = message[5..].split(',').next().unwrap().parse().unwrap();
            let moved = format!("line {}, ", line + 3);
            assert!(error(Format::Edn, later).starts_with(&moved), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = |depth: usize| {
            let rest = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            format!("{{:type :ok :process 0 :f :read :value {rest}}}")
        };
        assert_eq!(edn(&deep(511)).len(), 1);
        let refused = error(Format::Edn, deep(512));
        assert!(refused.contains("nested more than 512 deep"), "{refused}");
        for bracket in ["[", "(", "{:a ", "#{", "#_", "#a "] {
            let text = format!("{{:a {}", bracket.repeat(1_000_000));
            assert!(error(Format::Edn, text).contains("nested more than 512"), "{bracket}");
        }
    }
}

mod json_text {
    use super::{Format, Summary, error, events, try_read};

    const INVOKE: &str = r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"read"}"#;
    const OK: &str =
        r#"{"type":":ok","process":0,"f":":read","value":{"a":[1,-2.5,"x",null,true,[]]}}"#;
    const READ: [&str; 2] =
        ["0 @1 Invoke 0 read nil", "Ok 0 read {\"a\" [1 -2.5 \"x\" nil true []]}"];

    #[test]
    fn arrays_streams_and_lines() {
        for text in [
            format!("[{INVOKE},{OK}]"),
            format!("\u{FEFF} [ {INVOKE} ,\n{OK} ] \n"),
            format!("{INVOKE}{OK}"),
            format!("[{INVOKE}]\n[{OK}]"),
        ] {
            assert_eq!(events(Format::Json, &text), READ, "{text}");
        }
        for text in [format!("{INVOKE}\n\n{OK}\n"), format!(" {INVOKE} \r\n{OK}")] {
            assert_eq!(events(Format::Jsonl, &text), READ, "{text}");
            assert_eq!(events(Format::Json, &text), READ, "{text}");
        }
        assert_eq!(events(Format::Json, "[]"), <[&str; 0]>::default());
        assert_eq!(events(Format::Jsonl, ""), <[&str; 0]>::default());
    }

    #[test]
    fn escapes() {
        let text =
            r#"{"type":"ok","process":"nemesis","f":"a","value":"\"\\\/\n\u00e9\ud83d\ude00"}"#;
        assert_eq!(events(Format::Json, text), [r#"Ok nemesis a "\"\\/\né😀""#]);
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_dropped() {
        for end in [r#"{"index":1,"ti"#, r#"{"index":1,"x":""#, "{\"x\":\"\u{0}", "{\"x\":\"é"] {
            for cut in 1..end.len() {
                let bytes = [INVOKE.as_bytes(), b"\n", &end.as_bytes()[..cut]].concat();
                let (events, summary) = try_read(Format::Jsonl, &bytes[..]);
                assert_eq!(events.len(), 1);
                let expected = Summary { events: 1, truncated: true, has_real_time: true };
                assert_eq!(summary.unwrap(), expected, "{end} {cut}");
            }
        }
        let zeros = [INVOKE.as_bytes(), b"\n", &[0; 100]].concat();
        assert!(try_read(Format::Jsonl, &zeros[..]).1.unwrap().truncated);
    }

    /// LIKE stands for an event.
    const WRONG: &[(Format, &str, &str)] = &[
        (
            Format::Json,
            "[{\"type\":\"ok\",\"process\":0,\"f\":\"r\"}\n {",
            "line 2, column 2: expected a comma or the ] of the [ of line 1, column 1, found {",
        ),
        (
            Format::Json,
            "[",
            "line 1, column 2: expected LIKE or the ] of the [ of line 1, column 1, \
                     found the end of the text",
        ),
        (Format::Json, "3", "line 1, column 1: expected LIKE, found 3"),
        (
            Format::Json,
            "{\"value\":[1,]}",
            "line 1, column 13: expected a value, found ]}; the [ of line 1, column 10 is open",
        ),
        (
            Format::Json,
            "{\"value\":[1 2]}",
            "line 1, column 13: expected a comma or the closing bracket, found 2]}; \
                 the [ of line 1, column 10 is open",
        ),
        (
            Format::Json,
            "{\"value\":[1}",
            "line 1, column 12: expected a comma or the closing bracket, found }; \
                 the [ of line 1, column 10 is open",
        ),
        (
            Format::Json,
            "{\"value\":9223372036854775808}",
            "line 1, column 10: expected a whole number that fits 64 bits, found \
                 9223372036854775808",
        ),
        (
            Format::Json,
            "{\"type\":\"ok\",\"index\":-1,\"process\":0,\"f\":\"r\"}",
            "line 1, column 22: expected an index: a whole number from 0, found -1",
        ),
        (
            Format::Jsonl,
            "\n{\"value\":\n",
            "line 2, column 10: expected LIKE: expected a value, found the end of the \
                     text; the { of line 2, column 1 is open",
        ),
        (
            Format::Jsonl,
            "{\"type\":\"ok\",\"process\":0,\"f\":\"r\"} x\n",
            "line 1, column 35: expected the end of the line behind the event, found x",
        ),
        (Format::Jsonl, "[1]\n", "line 1, column 1: expected LIKE, found [1]"),
        (
            Format::Jsonl,
            "{\"type\":\"odd\"}\n",
            "line 1, column 9: expected the type invoke, ok, fail or info, found \"odd\"",
        ),
    ];

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let like = r#"an event like {"type":"invoke","process":0,"f":"read","value":null}"#;
        for (format, text, message) in WRONG {
            assert_eq!(error(*format, text), message.replace("LIKE", like), "{text}");
        }
        let deep = format!("{{\"value\":{}", "[".repeat(1_000_000));
        assert!(error(Format::Json, deep).contains("nested more than 512 deep"));
    }
}

mod logs {
    use super::{Format, error, events};

    #[test]
    fn operations_are_read_and_other_lines_skipped() {
        let text = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n\
                    INFO  jepsen.core - Worker 1 starting\n\
                    INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
                    INFO  jepsen.util - 12   :invoke :cas    [1 2]\n\
                    INFO  jepsen.util - 12   :info :cas    :timed-out\n\
                    \tat clojure.lang (1)\n\
                    INFO [2019-01-01 10:00] jepsen worker 3 - jepsen.util 0\t:ok\t:read\t3\n\
                    INFO  jepsen.util - 1\t:fail\t:write\t4\t[:no \"leader\"] #<odd\n\
                    INFO  jepsen.util - 0\t:fail\t:read\t:timed-out";
        assert_eq!(
            events(Format::JepsenLog, text),
            [
                "Invoke 0 read nil",
                "Invoke 12 cas [1 2]",
                "Info 12 cas nil because :timed-out",
                "Ok 0 read 3",
                "Fail 1 write 4 because [:no \"leader\"]",
                "Fail 0 read nil because :timed-out",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let head = "\nINFO  jepsen.util - 0\t";
        for (rest, message) in [
            (":odd\t:read", "line 2, column 23: expected :invoke, :ok, :fail or :info, found :odd"),
            (":ok", "line 2, column 26: expected the operation's name, found the end of the line"),
            (":ok :read [1", "line 2, column 35: expected ], found the end of the text"),
            (":ok :read ]", "line 2, column 33: expected a value, found ]"),
        ] {
            assert_eq!(error(Format::JepsenLog, format!("{head}{rest}\n")), message, "{rest}");
        }
    }
}

mod plume_text {
    use super::{Format, error, events, try_read};

    #[test]
    fn sessions_and_transactions() {
        let text = "=====\nw 0 1\nr x\n-----\nr 0 0\n\n=====\n-----\nr 0 1";
        assert_eq!(
            events(Format::Plume, text),
            [
                "Invoke 0 txn [[:w 0 1] [:r \"x\" nil]]",
                "Ok 0 txn [[:w 0 1] [:r \"x\" nil]]",
                "Invoke 0 txn [[:r 0 nil]]",
                "Ok 0 txn [[:r 0 0]]",
                "Invoke 1 txn [[:r 0 nil]]",
                "Ok 1 txn [[:r 0 1]]",
            ]
        );
        assert!(!try_read(Format::Plume, text.as_bytes()).1.unwrap().has_real_time);
    }

    #[test]
    fn lines_that_say_session_and_transaction() {
        assert_eq!(
            events(Format::Plume, "w(0,9,0,-1)\nw(0,1,0,0)\nr(1,0,0,0)\nr(0,1,0,1)\nr(0,1,7,2)\n"),
            [
                "Invoke 0 txn [[:w 0 9]]",
                "Fail 0 txn [[:w 0 9]]",
                "Invoke 0 txn [[:w 0 1] [:r 1 nil]]",
                "Ok 0 txn [[:w 0 1] [:r 1 nil]]",
                "Invoke 0 txn [[:r 0 nil]]",
                "Ok 0 txn [[:r 0 1]]",
                "Invoke 7 txn [[:r 0 nil]]",
                "Ok 7 txn [[:r 0 1]]",
            ]
        );
        let apart = error(Format::Plume, "r(0,1,0,0)\nr(0,1,1,1)\nr(0,1,0,0)\n");
        assert!(apart.starts_with("line 3, column 1: expected another transaction"), "{apart}");
        assert!(error(Format::Plume, "w(0,1,0)\n").starts_with("line 1, column 1: expected"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!(
            error(Format::Plume, "w 0 1\n  w 0\n"),
            "line 2, column 1: expected w KEY VALUE, r KEY VALUE, ===== or -----, \
             or r(KEY,VALUE,SESSION,TRANSACTION), found w 0"
        );
    }
}

mod streams {
    use super::{Format, Seen, error, events, try_read};
    use crate::event::RawEvent;
    use crate::format::{ReadError, read};
    use crate::history::{Refused, Sink};
    use crate::limits::Limits;
    use std::io::Read;

    /// A reader that gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn however_the_bytes_come_the_events_are_the_same() {
        let edn =
            "[{:type :info :process :nemesis :f :é :value \"\\\"é\" :time 12345678901234567890}";
        let edn = edn.replace("12345678901234567890", "1234567890123456789");
        let edn = format!("{edn}#_ x ; c\n#a{{:type :ok :process 12 :f :r :value -1.5e3}}]");
        let json = "[{\"type\":\"ok\",\"process\":1,\"f\":\"r\",\"value\":[\"é\\n\",null,-12]}, \
                    {\"type\":\"info\",\"process\":0,\"f\":\"x\"}]";
        let jsonl = json[1..json.len() - 1].replace(", {", "\n{");
        let log = "INFO jepsen.util - 0 :ok :read \"é\"\nINFO jepsen.util - 0 :ok :r 1";
        let plume = "w 0 1\nr é 2\n-----\nr 1\n=====\nr 1 1";
        for (format, text) in [
            (Format::Edn, edn.as_str()),
            (Format::Json, json),
            (Format::Jsonl, &jsonl),
            (Format::JepsenLog, log),
            (Format::Plume, plume),
        ] {
            let whole = events(format, text);
            for step in [1, 2, 3, 7] {
                let (trickled, result) = try_read(format, Trickle(text.as_bytes(), step));
                result.unwrap();
                assert_eq!(trickled, whole, "{format} by {step}");
            }
        }
    }

    #[test]
    fn one_line_of_many_megabytes() {
        let value = "1 ".repeat(2_000_000);
        let text = format!("{{:type :ok :process 0 :f :read :value [{value}]}}");
        for step in [1 << 12, usize::MAX] {
            let (events, result) = try_read(Format::Edn, Trickle(text.as_bytes(), step));
            result.unwrap();
            assert_eq!(events[0].len(), "Ok 0 read []".len() + value.len() - 1);
        }
        let cut = &text[..text.len() - 2];
        assert!(error(Format::Edn, cut).starts_with("line 1, column 4000040: expected ], found"));
    }

    #[test]
    fn a_byte_that_is_no_text_is_named_with_its_place() {
        let good = "{:type :ok :process 0 :f :r}\n";
        let bad = [good.as_bytes(), "é ".as_bytes(), b"\xFF {"].concat();
        let message = "line 2, column 3: expected text in UTF-8, found the byte 0xFF, which can't \
                       stand here";
        let start = "line 2, column 1: expected an event like";
        assert!(error(Format::Edn, &bad).starts_with(start));
        assert_eq!(error(Format::JepsenLog, &bad), message);
        let in_a_string = [good.as_bytes(), b"{:value \"\xC3\x28\"}"].concat();
        assert!(error(Format::Edn, &in_a_string).starts_with("line 2, column 10: expected text"));
        let cut_off = [good.as_bytes(), b"; \xC3"].concat();
        assert!(error(Format::Edn, &cut_off).starts_with("line 2, column 3: expected text"));
        let in_the_middle = b"{\"x\":\"\xFF\"}\n{\"x\":1}\n";
        assert!(error(Format::Jsonl, in_the_middle).starts_with("line 1, column 7: expected text"));
    }

    #[test]
    fn what_the_sink_refuses_is_named_with_its_place() {
        struct NoValues;
        impl Sink for NoValues {
            fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
                Ok(raw.asked.value.int().map(drop)?)
            }
        }
        for (format, text, place) in [
            (Format::Edn, "\n {:type :ok :process 0 :f :r :value [1]}", "line 2, column 37"),
            (Format::Edn, "\n #x{:type :ok :process 0 :f :r}", "line 2, column 2"),
            (
                Format::Jsonl,
                "\n {\"type\":\"ok\",\"process\":0,\"f\":\"r\",\"value\":[1]}\n",
                "line 2, column 43",
            ),
        ] {
            let error = read(format, text.as_bytes(), &mut NoValues, &Limits::default());
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("it broke"))
        }
    }

    #[test]
    fn limits_are_kept_and_readers_errors_passed_on() {
        let limits = Limits::default();
        limits.stop("the time limit of 1 s");
        let stopped = read(Format::Edn, &b"{}"[..], &mut Seen::default(), &limits).unwrap_err();
        assert_eq!(
            stopped.to_string(),
            "not read to its end: the time limit of 1 s was exceeded after 0 events"
        );
        let (_, broken) = try_read(Format::Edn, Broken);
        assert!(matches!(broken, Err(ReadError::Io(_))));
    }
}

#[test]
fn formats_are_told_apart_by_how_they_begin() {
    for (head, format) in [
        ("", None),
        ("  \n", None),
        ("hello", None),
        ("{:type :ok}", Some(Format::Edn)),
        ("\u{FEFF}; x\n{:type", Some(Format::Edn)),
        ("[{:type", Some(Format::Edn)),
        ("[]", Some(Format::Edn)),
        ("({:type", Some(Format::Edn)),
        ("#jepsen.history.Op{", Some(Format::Edn)),
        ("{\"index\":0,", Some(Format::Jsonl)),
        ("{\"index\":0}\n{", Some(Format::Jsonl)),
        ("{\n \"index\":0,\n", Some(Format::Json)),
        ("[ {\n\"type\":", Some(Format::Json)),
        ("INFO  jepsen.util - 0 :ok :read 1", Some(Format::JepsenLog)),
        ("starting\nINFO  jepsen.util - 0 :ok :read 1", Some(Format::JepsenLog)),
        ("w 0 1\n", Some(Format::Plume)),
        ("=====\n", Some(Format::Plume)),
        ("r(186,0,0,0)\n", Some(Format::Plume)),
    ] {
        assert_eq!(Format::detect(head.as_bytes()), format, "{head}");
    }
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("xml".parse::<Format>().unwrap_err().to_string().contains("jepsen-log"));
}
