//! The origin of an object, and the rules for its parts.

/// The origin of an object, as a key-parser reads it from the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The key's first segment.
    pub cluster_id: String,
    /// The key's second segment.
    pub namespace: String,
    /// The tenant. The default guest takes the namespace, as the Go processor does.
    pub tenant_id: String,
    /// The key's third segment.
    pub application: String,
    /// The key's fourth segment, which is also the name of the log stream.
    pub pod_name: String,
    /// `production`, `staging` or `development`.
    pub environment: String,
}

impl Origin {
    /// Checks that each part can be one segment of a path and of an S3 key, whoever made it.
    ///
    /// # Errors
    /// The first part that can't, by its name in the contract, and why.
    pub fn check(&self) -> Result<(), String> {
        let parts = [
            ("cluster-id", &self.cluster_id),
            ("namespace", &self.namespace),
            ("tenant-id", &self.tenant_id),
            ("application", &self.application),
            ("pod-name", &self.pod_name),
            ("environment", &self.environment),
        ];
        let is_segment = |part: &str| !part.trim().is_empty() && !part.contains('/') && part != "..";
        match parts.into_iter().find(|(_, part)| !is_segment(part)) {
            Some((name, _)) => Err(format!("{name} is empty, has a `/`, or is `..`")),
            None => Ok(()),
        }
    }

    /// Checks what a tenant's key-parser made of this origin: it may decide application, pod
    /// and environment, and never whose object it is.
    ///
    /// # Errors
    /// What is wrong, with the name that the contract gives the part.
    pub fn check_refined(&self, refined: &Self) -> Result<(), String> {
        let fixed = [
            ("tenant-id", &self.tenant_id, &refined.tenant_id),
            ("cluster-id", &self.cluster_id, &refined.cluster_id),
            ("namespace", &self.namespace, &refined.namespace),
        ];
        match fixed.into_iter().find(|(_, ours, theirs)| ours != theirs) {
            Some((name, ..)) => Err(format!("it changed {name}, which only the key itself decides")),
            None => refined.check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            cluster_id: "c".into(),
            namespace: "n".into(),
            tenant_id: "n".into(),
            application: "a".into(),
            pod_name: "p".into(),
            environment: "production".into(),
        }
    }

    #[test]
    fn each_part_is_one_segment() {
        assert_eq!(origin().check(), Ok(()));
        assert_eq!(Origin { application: "...".into(), ..origin() }.check(), Ok(()));
        for bad in ["", " ", "a/b", "/", ".."] {
            let error = Origin { namespace: bad.into(), ..origin() }.check();
            assert_eq!(error, Err("namespace is empty, has a `/`, or is `..`".to_owned()), "{bad}");
        }
    }

    #[test]
    fn a_refinement_never_changes_whose_object_it_is() {
        let refined = Origin { application: "b".into(), pod_name: "q".into(), environment: "x".into(), ..origin() };
        assert_eq!(origin().check_refined(&refined), Ok(()));
        let error = origin().check_refined(&Origin { tenant_id: "other".into(), ..origin() });
        assert_eq!(error, Err("it changed tenant-id, which only the key itself decides".to_owned()));
        assert!(origin().check_refined(&Origin { pod_name: "..".into(), ..origin() }).is_err());
    }
}
