//! The rules of the house (docs: ARCHITECTURE.md), as tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace root exists")
}

fn metadata() -> serde_json::Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo prints JSON")
}

/// (crate, kind of edge, dependency) for every declared dependency.
fn edges() -> Vec<(String, String, String)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages").clone();
    packages
        .iter()
        .flat_map(|package| {
            let from = package["name"].as_str().expect("a name").to_owned();
            package["dependencies"].as_array().expect("dependencies").clone().into_iter().map(move |dependency| {
                let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
                (from.clone(), kind, dependency["name"].as_str().expect("a name").to_owned())
            })
        })
        .collect()
}

/// Which of our crates each of our crates may know, in the order of the flow.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("surety-types", &[] as &[&str]),
        ("surety-stf", &["surety-types"]),
        ("surety-state", &["surety-types", "surety-stf"]),
        ("surety-contracts", &["surety-types"]),
        ("surety-vm", &[]),
        ("surety-prove", &["surety-types", "surety-stf", "surety-state", "surety-contracts", "surety-l1", "surety-vm"]),
        ("surety-l1", &["surety-types", "surety-contracts"]),
        (
            "surety-dispute",
            &[
                "surety-types",
                "surety-stf",
                "surety-state",
                "surety-contracts",
                "surety-l1",
                "surety-vm",
                "surety-prove",
            ],
        ),
        ("surety-rpc", &["surety-types", "surety-stf", "surety-state"]),
        (
            "surety-node",
            &[
                "surety-types",
                "surety-stf",
                "surety-state",
                "surety-contracts",
                "surety-l1",
                "surety-rpc",
                "surety-vm",
                "surety-prove",
                "surety-dispute",
            ],
        ),
        // It judges the nodes, so it shares no code with them.
        ("surety-watch", &["surety-types", "surety-stf", "surety-state", "surety-contracts", "surety-l1"]),
        (
            "surety-devnet",
            &[
                "surety-types",
                "surety-stf",
                "surety-state",
                "surety-contracts",
                "surety-l1",
                "surety-rpc",
                "surety-node",
                "surety-watch",
                "surety-vm",
                "surety-prove",
                "surety-dispute",
            ],
        ),
        (
            "surety",
            &[
                "surety-types",
                "surety-stf",
                "surety-state",
                "surety-contracts",
                "surety-l1",
                "surety-rpc",
                "surety-node",
                "surety-watch",
                "surety-devnet",
                "surety-vm",
                "surety-prove",
            ],
        ),
        ("surety-sim", &["surety-types", "surety-state", "surety-node"]),
        ("xtask", &[]),
    ])
}

#[test]
fn crates_know_only_the_rooms_that_the_house_allows() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (from, kind, to) in edges() {
        let Some(may) = allowed.get(from.as_str()) else { panic!("{from} is not in the list of crates: add it here") };
        let ours = to == "surety" || to.starts_with("surety-");
        // Simulation and tests may look at everything.
        if ours && kind != "dev" && !may.contains(&to.as_str()) {
            wrong.push(format!("{from} -> {to}"));
        }
    }
    assert!(wrong.is_empty(), "edges that the house does not allow: {wrong:?}");
}

#[test]
fn big_libraries_stay_in_their_rooms() {
    let rooms: [(&str, &[&str]); 5] = [
        ("commonware-", &["surety-node", "surety-sim"]),
        ("revm", &["surety-stf", "surety-rpc", "surety-contracts"]),
        ("op-revm", &["surety-stf", "surety-rpc"]),
        // The embedded L1 has methods of its own beside the server's; a watchtower listens to feeds.
        ("jsonrpsee", &["surety-rpc", "surety-devnet", "surety-watch"]),
        ("c-kzg", &["surety-l1", "surety-node", "surety-devnet"]),
    ];
    let mut wrong = Vec::new();
    for (from, kind, to) in edges() {
        for (library, may) in rooms {
            let hit = if library.ends_with('-') { to.starts_with(library) } else { to == library };
            if hit && kind != "dev" && !may.contains(&from.as_str()) {
                wrong.push(format!("{from} -> {to}"));
            }
        }
        let client = to == "alloy" && kind != "dev";
        if client && !["surety-l1", "surety-devnet", "surety"].contains(&from.as_str()) {
            wrong.push(format!("{from} -> {to} (the RPC client)"));
        }
    }
    assert!(wrong.is_empty(), "libraries outside their rooms: {wrong:?}");
}

#[test]
fn there_is_one_revm() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is committed");
    for name in ["revm", "op-revm", "alloy-evm", "alloy-consensus", "alloy-primitives"] {
        let count = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(count, 1, "{name} stands {count} times in Cargo.lock");
    }
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target" && n != "node_modules") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Lines of a file without its tests.
fn length(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

#[test]
fn files_are_one_room_each() {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 20, "the test looks at the wrong place");
    let long: Vec<_> = files
        .iter()
        .filter(|f| {
            !f.ends_with("tests.rs") && !f.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "benches")
        })
        .map(|f| (length(&fs::read_to_string(f).expect("readable")), f))
        .filter(|(lines, _)| *lines > 700)
        .collect();
    assert!(long.is_empty(), "files over 700 lines without their tests: {long:?}");
}

#[test]
fn the_same_sentence_says_what_a_crate_is() {
    let metadata = metadata();
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let sentence = package["description"].as_str().unwrap_or_default();
        assert!(!sentence.is_empty(), "{name} has no description");
        let folder =
            Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a folder").to_owned();
        let source = ["src/lib.rs", "src/main.rs"].iter().find_map(|f| fs::read_to_string(folder.join(f)).ok());
        let head = source.unwrap_or_default();
        assert!(head.contains(sentence), "{name}: its source does not begin with its sentence: {sentence}");
        if folder.starts_with(root().join("crates")) {
            let own = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
            assert!(own.contains(sentence), "{name}: its README.md does not hold its sentence");
            assert!(readme.contains(sentence), "{name}: the root README.md does not hold its sentence");
        }
    }
}

#[test]
fn every_metric_is_documented() {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        for call in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
            for part in text.split(call).skip(1) {
                if file.ends_with("house.rs") {
                    continue;
                }
                names.insert(part.split('"').next().unwrap_or_default().to_owned());
            }
        }
    }
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap_or_default();
    let missing: Vec<_> = names.iter().filter(|n| !page.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not explain: {missing:?}");
}

#[test]
fn nothing_of_a_workplace_is_named() {
    let out = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git runs");
    let listed = String::from_utf8_lossy(&out.stdout).into_owned();
    let words = [concat!("/wo", "rk/"), concat!("registry.npm", "js.org"), concat!("static.crates", ".io")];
    let wrong: Vec<_> = listed
        .lines()
        .filter(|f| !f.ends_with(".lock"))
        .filter_map(|f| Some((f, fs::read_to_string(root().join(f)).ok()?)))
        .flat_map(|(f, text)| words.iter().filter(move |w| text.contains(**w)).map(move |w| format!("{f}: {w}")))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
