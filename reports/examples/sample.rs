//! Prints a sample report: `cargo run -p schism-reports --example sample > sample.html`. With a
//! number, the run has so many operations a second; with `valid`, nothing is wrong with it; with
//! `terminal`, the summary for a terminal is printed instead.

#[path = "../tests/support/story.rs"]
mod story;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let rate = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(60);
    let run = if has("valid") { story::valid(rate) } else { story::story(rate) };
    if has("terminal") {
        print!("{}", schism_reports::terminal(&run, "report.html", true, 100));
    } else {
        print!("{}", schism_reports::html(&run));
    }
}
