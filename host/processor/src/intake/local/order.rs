//! Which object comes when: the objects of a pod one after the other, the pods
//! of different tenants in turn.

use std::collections::{BTreeMap, VecDeque};

use crate::object::LocalObject;

/// Segments of a key that name a pod, and the one of them that names the tenant.
const POD_SEGMENTS: usize = 4;
const TENANT_SEGMENT: usize = 1;

/// Pods in the order of work; `objects` come sorted by key.
pub(super) fn pods(objects: Vec<LocalObject>) -> VecDeque<Vec<LocalObject>> {
    let mut tenants: BTreeMap<String, VecDeque<Vec<LocalObject>>> = BTreeMap::new();
    for object in objects {
        let tenant = object.id.key.split('/').nth(TENANT_SEGMENT).unwrap_or_default();
        let pods = tenants.entry(tenant.to_owned()).or_default();
        match pods.back_mut() {
            Some(pod) if pod.last().is_some_and(|last| same_pod(last, &object)) => pod.push(object),
            _ => pods.push_back(vec![object]),
        }
    }
    let mut turns = VecDeque::new();
    while !tenants.is_empty() {
        tenants.retain(|_, pods| {
            turns.extend(pods.pop_front());
            !pods.is_empty()
        });
    }
    turns
}

fn same_pod(a: &LocalObject, b: &LocalObject) -> bool {
    a.id.bucket == b.id.bucket && a.id.key.split('/').take(POD_SEGMENTS).eq(b.id.key.split('/').take(POD_SEGMENTS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ObjectId;

    #[test]
    fn tenants_take_turns_and_pods_stay_together() {
        let keys = ["c/a/x/p1/1", "c/a/x/p1/2", "c/a/x/p2/1", "c/a/x/p3/1", "c/b/x/p1/1", "short"];
        let object =
            |key: &&str| LocalObject { id: ObjectId { bucket: "b".into(), key: (*key).to_owned() }, path: "p".into() };
        let pods = pods(keys.iter().map(object).collect());
        let keys: Vec<Vec<String>> =
            pods.into_iter().map(|pod| pod.into_iter().map(|object| object.id.key).collect()).collect();
        let expected: [&[&str]; 5] =
            [&["short"], &["c/a/x/p1/1", "c/a/x/p1/2"], &["c/b/x/p1/1"], &["c/a/x/p2/1"], &["c/a/x/p3/1"]];
        assert_eq!(keys, expected);
    }
}
