//! What a reader may rely on in this tree, held by a test: sizes, module heads, a fixed top level,
//! registries that the documents cover, links that lead somewhere, and licences.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn git(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("git").args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The files of the tree, tracked or about to be.
fn files() -> Vec<String> {
    let mut files = git(&["ls-files", "--cached", "--others", "--exclude-standard"]);
    files.retain(|file| root().join(file).is_file());
    files
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

fn rust_files() -> Vec<(String, String)> {
    let rust = files().into_iter().filter(|file| has_extension(file, "rs"));
    rust.map(|file| {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        (file, text)
    })
    .collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

#[test]
fn the_top_level_is_what_it_is() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "harness",
        "checkers",
        "nemeses",
        "workloads",
        "reports",
    ]
    .into();
    for file in files() {
        let top = file.split('/').next().unwrap();
        assert!(top.starts_with('.') || allowed.contains(top), "{top} doesn't belong at the top");
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for (file, text) in rust_files() {
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let is_test = file.contains("/tests/") || file.ends_with("tests.rs");
        let lines = code.lines().count();
        assert!(is_test || lines <= 600, "{file} has {lines} lines without its tests");
        // A line of a history, quoted as it stands, can't be broken.
        let too_wide = |line: &str| line.chars().count() > 100 && !line.contains("r#\"{\"index\"");
        let wide = text.lines().position(too_wide);
        assert!(wide.is_none(), "{file}:{} is wider than 100 columns", wide.unwrap_or(0) + 1);
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (file, text) in rust_files() {
        assert!(text.starts_with("//!"), "{file} has no head");
        let stem = Path::new(&file).file_stem().unwrap().to_string_lossy().into_owned();
        assert!(stem != "mod", "{file}: foo.rs beside foo/, not foo/mod.rs");
        for word in ["manager", "helper", "util"] {
            assert!(!stem.contains(word), "{file}: a name that says nothing");
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    // In two parts, so that this file doesn't find itself.
    let undone = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    for (file, text) in rust_files() {
        for mark in &undone {
            assert!(!text.contains(mark.as_str()), "{file}: {mark}");
        }
        assert!(!text.contains(concat!("#[ign", "ore")), "{file}: a test that doesn't run");
    }
}

#[test]
fn the_documents_cover_every_system() {
    let (chapter, matrix) = (read("harness/docs/chapter.md"), read("harness/docs/chapter.toml"));
    let readme = read("README.md");
    for entry in schism::registry::entries() {
        let system = entry.system;
        assert!(chapter.contains(&format!("schism test {system}")), "chapter.md: {system}");
        assert!(matrix.contains(&format!("\"{system} ")), "chapter.toml: {system}");
        assert!(readme.contains(&format!("`{system}`")), "README.md: {system}");
    }
}

#[test]
fn the_chapters_commands_are_those_that_ci_runs() {
    let matrix = read("harness/docs/chapter.toml");
    for line in read("harness/docs/chapter.md").lines() {
        let Some(command) = line.strip_prefix("$ schism test ") else { continue };
        assert!(matrix.contains(command), "chapter.toml doesn't have: {command}");
    }
}

#[test]
fn the_page_on_checking_covers_every_model_and_format() {
    let page = read("harness/docs/checking.md");
    for model in schism_checkers::models::MODELS {
        assert!(page.contains(&format!("| `{}` |", model.name)), "checking.md: {}", model.name);
        assert!(page.contains(model.about), "checking.md: {}", model.about);
    }
    for format in schism_core::format::Format::ALL {
        assert!(page.contains(&format!("`{format}`")), "checking.md: {format}");
    }
}

#[test]
fn every_protocol_of_the_chapter_can_be_tested() {
    for protocol in schism_agreement::PROTOCOLS {
        let known = schism::registry::entries().iter().any(|entry| entry.system == protocol.name);
        assert!(known, "{} is in no pair", protocol.name);
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for file in files().into_iter().filter(|file| has_extension(file, "md")) {
        let text = read(&file);
        let dir = Path::new(&file).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(root().join(dir).join(target).exists(), "{file}: {target} doesn't exist");
        }
    }
}

#[test]
fn every_dependency_may_be_used() {
    let allowed = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "MPL-2.0",
        "ISC",
        "Zlib",
        "0BSD",
        "Unicode-3.0",
        "Unlicense",
        "CC0-1.0",
        "BSL-1.0",
        "Apache-2.0 WITH LLVM-exception",
        "CDLA-Permissive-2.0",
    ];
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let license = package["license"].as_str().unwrap_or_default();
        // One of the alternatives is enough; of parts joined by AND, all are needed.
        let fine = license
            .replace(['(', ')'], "")
            .replace('/', " OR ")
            .split(" OR ")
            .any(|choice| choice.split(" AND ").all(|part| allowed.contains(&part.trim())));
        assert!(fine, "{name}: {license:?}");
    }
}
