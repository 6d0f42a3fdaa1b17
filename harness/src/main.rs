//! The `schism` command.

fn main() -> std::process::ExitCode {
    schism::cli::main()
}
