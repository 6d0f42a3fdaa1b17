//! What the harness executes at a node, word for word.

use schism_nemeses::rules::{self, Command};
use std::net::IpAddr;

fn show(commands: &[Command]) -> String {
    let mut text = String::new();
    for command in commands {
        text.push_str(&command.argv.join(" "));
        text.push_str(if command.may_fail { "  (may fail)\n" } else { "\n" });
        for line in command.stdin.as_deref().unwrap_or_default().lines() {
            text.extend(["  < ", line, "\n"]);
        }
    }
    text
}

fn addresses() -> Vec<IpAddr> {
    ["10.1.2.3", "fd00::5", "10.1.2.4"].map(|text| text.parse().expect("an address")).to_vec()
}

#[test]
fn cut_and_uncut() {
    insta::assert_snapshot!("cut", show(&rules::cut(3, &addresses())));
    insta::assert_snapshot!("uncut", show(&rules::uncut(3, &addresses())));
}

#[test]
fn shape_and_unshape() {
    insta::assert_snapshot!("shape", show(&rules::shape(12, rules::queue(12), &addresses()[..1])));
    insta::assert_snapshot!("unshape", show(&rules::unshape(12, &addresses()[..1])));
}

#[test]
fn no_addresses_need_no_commands() {
    assert!(rules::cut(1, &[]).is_empty());
    assert!(rules::unshape(1, &[]).is_empty());
}

#[test]
fn queues_stay_in_range() {
    assert_eq!(rules::queue(7), 7);
    assert_eq!(rules::queue(65_536), 0);
    assert_eq!(rules::queue(u32::MAX), u16::MAX);
}
