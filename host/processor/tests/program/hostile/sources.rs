//! Places that components come from, and that fail.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use fake_aws::scene::{CENTRAL_ROLE, SOURCE};
use fake_aws::{Effect, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, Rule, Service, Trust};
use model::Digest;

use super::beside::{Beside, THEIRS};
use super::guest::{Guest, fixture};

/// What is wanted, and what is in its place in some of the cases.
const RIGHT: &str = "rewriter-guest.wasm";
const OTHER: &str = "hostile-guest.wasm";

/// A bucket of components that the central role may read, but for what is `denied`.
fn bucket() -> Beside {
    let beside = Beside::new().set("PLUGIN_SOURCES", "s3://components/tenants/").set("REQUEST_TIMEOUT", 4);
    let aws = &beside.lab.aws;
    aws.add_bucket(PROCESSOR_ACCOUNT, "components");
    let central = Permissions::none()
        .allow("sts:AssumeRole", "*")
        .allow("s3:GetObject", &format!("{SOURCE}/*"))
        .allow("s3:GetObject", "components/other*")
        .allow("s3:GetObject", "components/tenants/a*")
        .allow("s3:ListBucket", "components");
    aws.add_role(CENTRAL_ROLE, Trust::of(PROCESSOR_ARN), central);
    beside
}

#[test]
fn a_bucket() {
    let (right, zeroes) = (Digest::of(&fixture(RIGHT)).to_string(), "0".repeat(64));
    let beside = bucket();
    let put = |key: &str, name: &str| {
        beside.lab.aws.put_object("components", key, fixture(name));
        format!("s3://components/{key}")
    };
    let [outside, beside_it, denied] =
        ["other.wasm", "tenantsx/a.wasm", "tenants/denied.wasm"].map(|key| put(key, RIGHT));
    let (replaced, slow, good) =
        (put("tenants/a-replaced.wasm", OTHER), put("tenants/a-slow.wasm", RIGHT), put("tenants/a.wasm", RIGHT));
    beside.lab.aws.fault(Rule::new(Effect::Hang).service(Service::S3).resource("components/tenants/a-slow"));
    let missing = "s3://components/tenants/a-none.wasm";
    // What is loaded under its digest already need not be fetched: these are nobody else's.
    let never = |component: &str| Guest::named(component, &zeroes);
    let both = Digest::of(&fixture("both-guest.wasm")).to_string();
    let replaces = |component: &str| Guest::named(component, &both);
    let passes = |component: &str| Guest::named(component, &right).setting("mode", "passthrough");
    let seen = beside
        .fails("missing", Guest::named(missing, &zeroes), "component-missing", &[missing])
        .fails("outside", passes(&outside), "component-forbidden", &[&outside, "PLUGIN_SOURCES"])
        .fails("sibling", passes(&beside_it), "component-forbidden", &[&beside_it, "PLUGIN_SOURCES"])
        .fails("denied", never(&denied), "component-source", &["AccessDenied", "allow s3:GetObject"])
        .fails("replaced", replaces(&replaced), "component-digest", &[&both, &Digest::of(&fixture(OTHER)).to_string()])
        .fails("slow", never(&slow), "component-source", &[&slow])
        .add("right", passes(&good))
        .run();
    seen.came("right", "cloudwatch=delivered");
    assert_eq!(seen.messages("right").len(), THEIRS);
}

/// Answers each connection so, in a thread of its own; `address:port`.
fn server(answer: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Takes the request, and never answers.
fn hang(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 1024]);
    std::thread::park();
}

/// Answers without end.
fn endless(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 1024]);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
}

/// Sends it elsewhere: to where an instance's credentials are.
fn elsewhere(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 1024]);
    let _ = stream.write_all(
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn registries_that_hang_never_end_send_elsewhere_or_are_down() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let registries =
        [("hangs", server(hang)), ("endless", server(endless)), ("elsewhere", server(elsewhere)), ("down", closed)];
    let sources = registries.each_ref().map(|(_, address)| format!("oci://{address}")).join(",");
    let beside = Beside::new().set("PLUGIN_SOURCES", sources);
    let beside = registries.iter().zip(1..).fold(beside, |beside, ((name, address), number)| {
        // Each its own: what several name by the same digest is fetched for one after the other.
        let digest = number.to_string().repeat(64);
        let component = format!("oci://{address}/filters@sha256:{digest}");
        beside.fails(name, Guest::named(&component, &digest), "component-source", &[&component])
    });
    let seen = beside.run();
    // One who waits for it stops nobody's component from being fetched.
    let first = |name: &str| {
        let key = seen.line(name)["key"].clone();
        seen.process.objects().iter().position(|line| line["key"] == key).unwrap()
    };
    assert!(first("down") < first("hangs") && first("elsewhere") < first("hangs"));
}

/// Nobody has to do more than mend it: what waited is tried again, and delivered.
#[test]
fn what_was_missing_or_denied_is_delivered_once_it_can_be_had() {
    let beside = bucket();
    let folder = beside.lab.path("plugins");
    let sources = format!("s3://components/tenants/,file:{}", folder.display());
    let beside = beside.set("PLUGIN_SOURCES", sources);
    let (file, denied) = (folder.join("late.wasm"), "s3://components/tenants/denied.wasm");
    let digest = |name: &str| Digest::of(&fixture(name)).to_string();
    beside.lab.aws.put_object("components", "tenants/denied.wasm", fixture(RIGHT));
    let missing = Guest::named(&format!("file:{}", file.display()), &digest(OTHER)).setting("mode", "records");
    let denies = Guest::named(denied, &digest(RIGHT)).setting("mode", "passthrough");
    let seen = beside
        .fails("missing", missing, "component-missing", &["late.wasm"])
        .fails("denied", denies, "component-source", &["AccessDenied"])
        .run();
    std::fs::write(&file, fixture(OTHER)).unwrap();
    let all = Permissions::none()
        .allow("sts:AssumeRole", "*")
        .allow("s3:GetObject", &format!("{SOURCE}/*"))
        .allow("s3:GetObject", "components/tenants/*");
    seen.beside.lab.aws.set_permissions(CENTRAL_ROLE, all);
    seen.process.empties_the_queue();
    for tenant in ["missing", "denied"] {
        assert_eq!(seen.messages(tenant).len(), THEIRS, "{tenant}");
        assert!(seen.metric("suspended", tenant, &[]) < 0.5, "{tenant}");
    }
}
