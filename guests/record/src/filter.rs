//! Which applications a delivery wants: `desired_logs` and `groups`.

/// The groups of the reference's documents and their applications.
const GROUPS: [(&str, &[&str]); 4] = [
    ("API", &["kube-apiserver", "openshift-apiserver"]),
    ("Authentication", &["oauth-server", "oauth-apiserver"]),
    (
        "Controller Manager",
        &["kube-controller-manager", "openshift-controller-manager", "openshift-route-controller-manager"],
    ),
    ("Scheduler", &["kube-scheduler"]),
];

/// The decision whether a delivery wants an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the object is wanted.
    pub wanted: bool,
    /// Groups that are not known, as written: each deserves a warning.
    pub unknown_groups: Vec<String>,
}

/// Decides whether a delivery wants the logs of `application`.
///
/// Everything is wanted only where both lists name nothing; empty entries name
/// nothing. Otherwise it must stand in `desired_logs`, exactly, or in a group
/// (whose name matches in any case). An unknown group names something that is
/// never there.
#[must_use]
pub fn wants(desired_logs: &[String], groups: &[String], application: &str) -> Decision {
    let mut all = true;
    let mut wanted = false;
    for desired in desired_logs.iter().filter(|name| !name.is_empty()) {
        all = false;
        wanted |= desired == application;
    }
    let mut unknown_groups = Vec::new();
    for group in groups.iter().filter(|name| !name.is_empty()) {
        all = false;
        match GROUPS.iter().find(|(name, _)| name.eq_ignore_ascii_case(group)) {
            Some((_, applications)) => wanted |= applications.contains(&application),
            None => unknown_groups.push(group.clone()),
        }
    }
    Decision { wanted: wanted || all, unknown_groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(desired: &[&str], groups: &[&str], application: &str) -> (bool, usize) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let decision = wants(&owned(desired), &owned(groups), application);
        (decision.wanted, decision.unknown_groups.len())
    }

    #[test]
    fn all_is_wanted_only_where_nothing_is_named() {
        assert_eq!(decide(&[], &[], "x"), (true, 0));
        assert_eq!(decide(&[""], &["", ""], "x"), (true, 0));
        assert_eq!(decide(&["", "y"], &[], "x"), (false, 0));
        assert_eq!(decide(&[], &["API"], "x"), (false, 0));
    }

    #[test]
    fn desired_logs_are_exact_and_groups_add_to_them() {
        assert_eq!(decide(&["x"], &[], "x"), (true, 0));
        assert_eq!(decide(&["X"], &[], "x"), (false, 0));
        assert_eq!(decide(&["x"], &["api"], "x"), (true, 0));
        assert_eq!(decide(&["x"], &["api"], "kube-apiserver"), (true, 0));
        assert_eq!(decide(&[], &["CONTROLLER manager"], "openshift-route-controller-manager"), (true, 0));
        assert_eq!(decide(&[], &["Scheduler", "authentication"], "oauth-server"), (true, 0));
        assert_eq!(decide(&[], &["API"], "Kube-Apiserver"), (false, 0));
    }

    #[test]
    fn unknown_groups_want_nothing() {
        assert_eq!(decide(&[], &["nope"], "nope"), (false, 1));
        assert_eq!(decide(&["x"], &["nope", "API"], "x"), (true, 1));
        assert_eq!(decide(&[""], &["nope", "never"], "x"), (false, 2));
    }
}
