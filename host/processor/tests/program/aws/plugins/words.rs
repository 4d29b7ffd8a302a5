//! Where a component is named, and where its own words are shown.

use super::*;

#[test]
fn an_object_s_dead_letters_name_the_component() {
    let lab = lab().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let settings = json!({"M": {"mode": {"S": "honest"}}});
    name(&lab, &tenant, &plugin(&lab, "h.wasm", &fixture("hostile"), &json!({"settings": settings})));
    lab.announced("acme", "1", &format!("reject {}\n{}", text(0), text(1)));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.letters()[0]["component"], Digest::of(&fixture("hostile")).to_string());
    assert_eq!(stream(&lab.aws, &tenant, &pod("acme").name).len(), 1);
    assert_eq!(outcome(&process, &key("acme", "1")), "cloudwatch=partial(guest-rejected)");
    process.terminate();
}

/// What a component says of its settings may quote them.
#[test]
fn words_about_settings_are_heard_where_the_item_says_so() {
    let lab = lab();
    let [heard, silent] = ["heard", "silent"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let settings = json!({"M": {"mode": {"S": "check:refuse"}}});
    let fields = json!({"settings": settings, "log": {"S": "operator"}});
    name(&lab, &heard, &plugin(&lab, "h.wasm", &fixture("hostile"), &fields));
    name(&lab, &silent, &plugin(&lab, "h.wasm", &fixture("hostile"), &json!({"settings": settings})));
    let process = lab.sqs();
    const WORDS: &str = "mode is not to my liking";
    for (tenant, words) in [("silent", false), ("heard", true)] {
        lab.announced(tenant, "1", &records(tenant, 1));
        let line = process.line("its line", |line| line["message"] == "object" && line["tenant"] == tenant);
        assert_eq!(line["deliveries"], "cloudwatch=failed(component-settings)");
        assert_eq!(process.output().0.contains(WORDS), words, "{line}");
    }
    let (_, ready) = process.get("/readyz");
    assert!(!ready.contains(WORDS) && !process.get("/metrics").1.contains(WORDS), "{ready}");
    process.kill();
}

#[test]
fn words_about_settings_of_the_command_line_are_not_logged() {
    let lab = lab();
    let path = lab.path("hostile.wasm");
    std::fs::write(&path, fixture("hostile")).unwrap();
    let path = path.to_str().unwrap();
    let ended = lab.start(&["--mode", "sqs", "--plugin", path, "--plugin-setting", "mode=check:refuse"], None).ended();
    assert!(ended.code == 3 && ended.stderr.contains("--plugin-setting: the component refuses"), "{ended:?}");
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains("not to my liking"), "{said}");
    }
}
