//! Faults in one word, and the list that `--faults` takes.

use crate::catalogue;
use crate::partition::explicit;
use crate::spec::{FaultSpecError, parse};

/// A named set of faults.
#[derive(Debug)]
pub struct Package {
    /// How it is written.
    pub name: &'static str,
    /// One line for a person.
    pub about: &'static str,
    /// The faults in it.
    pub faults: &'static [&'static str],
}

/// The sets there are. Neither takes down more than a minority at a time, nor cuts a role: what
/// they do, a store that claims to survive a minority has to survive.
pub static PACKAGES: [Package; 2] = [
    Package {
        name: "standard",
        about: "the faults that find most, and nothing slow",
        faults: &[
            "partition-majority",
            "partition-leader",
            "partition-ring",
            "kill:minority",
            "pause:minority",
        ],
    },
    Package {
        name: "all",
        about: "every partition, link fault and process fault that leaves a majority",
        faults: &[
            "partition-one",
            "partition-halves",
            "partition-majority",
            "partition-leader",
            "partition-primary",
            "partition-ring",
            "partition-bridge",
            "partition-one-way",
            "delay:all",
            "loss:all",
            "reorder:all",
            "duplicate:all",
            "kill:minority",
            "kill:leader",
            "pause:minority",
            "pause:leader",
        ],
    },
];

/// Reads a list such as `partition-leader,kill:minority`, `standard,delay` or `none`: the canonical
/// name of each fault, packages replaced by what is in them, each once.
///
/// Commas also separate nodes within `partition=n1,n2|n3`; there, an element that names no fault is
/// taken for a node.
pub fn expand(list: &str) -> Result<Vec<String>, FaultSpecError> {
    let elements = split(list);
    if elements.len() == 1 && matches!(elements[0].as_str(), "" | "none") {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    for element in &elements {
        if element == "none" {
            return Err(FaultSpecError::NoneAndMore);
        }
        let package = PACKAGES.iter().find(|package| package.name == element);
        let single = [element.as_str()];
        for spec in package.map_or(single.as_slice(), |package| package.faults) {
            let name = parse(spec)?.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn split(list: &str) -> Vec<String> {
    let explicit = format!("{}=", explicit::KIND.name);
    let mut elements: Vec<String> = Vec::new();
    for part in list.split(',').map(str::trim) {
        match elements.last_mut() {
            Some(open) if open.starts_with(&explicit) && !starts_a_fault(part) => {
                open.push(',');
                open.push_str(part);
            }
            _ => elements.push(part.to_owned()),
        }
    }
    elements
}

fn starts_a_fault(part: &str) -> bool {
    let name = part.split(['=', ':']).next().unwrap_or_default();
    name == "none"
        || catalogue().iter().any(|kind| kind.name == name)
        || PACKAGES.iter().any(|package| package.name == name)
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, expand};
    use crate::FaultSpecError;

    #[test]
    fn packages_hold_faults_in_their_canonical_form() {
        for package in &PACKAGES {
            let names = expand(package.name).expect(package.name);
            assert_eq!(names, package.faults, "{}", package.name);
        }
    }

    #[test]
    fn a_list_may_hold_lists_of_nodes() {
        let names = expand("pause, partition=n1,n2|n3,n4,n5,kill:n2+n1,standard").expect("a list");
        assert_eq!(names[..3], ["pause:one", "partition=n1+n2/n3+n4+n5", "kill:n2+n1"]);
        assert_eq!(names.len(), 3 + 5);
    }

    #[test]
    fn nothing_is_none_and_none_stands_alone() {
        assert_eq!(expand("none"), Ok(Vec::new()));
        assert_eq!(expand(""), Ok(Vec::new()));
        assert_eq!(expand("kill,none"), Err(FaultSpecError::NoneAndMore));
        assert_eq!(expand("kill,kill:one"), Ok(vec!["kill:one".to_owned()]));
        let error = expand("kill,,pause").expect_err("an empty element").to_string();
        assert!(error.contains("there is no fault ``"), "{error}");
    }
}
