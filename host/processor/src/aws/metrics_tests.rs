use super::super::testing::{Server, answer};
use super::*;

#[tokio::test]
async fn a_thousand_a_call_as_statistic_sets() {
    let server = Server::start(|_| answer(200, "")).await;
    let datum = |number: usize| Datum {
        name: format!("LogCount/s3/n{number}"),
        tenant: "tenant-x".into(),
        minimum: 1.0,
        maximum: 2.0,
        sum: 3.0,
        samples: 2.0,
    };
    let data: Vec<_> = (0..2001).map(datum).collect();
    server.aws().await.metrics().put("HCPLF/LogForwarding", &data).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].signer(), "OWN");
    // Small enough not to be compressed.
    let last = requests[2].text();
    for part in ["HCPLF/LogForwarding", "LogCount/s3/n2000", "tenant-x", "Tenant", "SampleCount", "Sum", "Count"] {
        assert!(last.contains(part), "{part} is missing in {last}");
    }
    server.aws().await.metrics().put("n", &[]).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_tenant_is_a_value_that_cloudwatch_takes_and_no_other_s() {
    let same = ["acme", "a b", "a:b", "a%b", "x".repeat(1024).as_str(), "~!\"#'()"].map(str::to_owned);
    for tenant in &same {
        assert_eq!(dimension(tenant), tenant.as_str());
    }
    let encoded = [
        ("z\u{fc}rich", "%-z%C3%BCrich"),
        (":acme", "%-%3Aacme"),
        ("  ", "%-%20%20"),
        ("a\tb", "%-a%09b"),
        ("\u{7f}", "%-%7F"),
        ("%-z%C3%BCrich", "%-%25-z%25C3%25BCrich"),
        ("%acme", "%-%25acme"),
        ("", "%-"),
    ];
    for (tenant, value) in encoded {
        assert_eq!(dimension(tenant), value);
        let back = percent_encoding::percent_decode_str(value.strip_prefix("%-").unwrap());
        assert_eq!(back.decode_utf8().unwrap(), tenant, "it can be undone");
    }
    let long = ["\u{fc}".repeat(400), "\u{fc}".repeat(401), "x".repeat(1025)];
    let values: std::collections::BTreeSet<String> = long.iter().map(|tenant| dimension(tenant).into_owned()).collect();
    assert_eq!(values.len(), 3);
    for value in values {
        assert!(value.len() == MAX_VALUE_CHARS && value.is_ascii() && value.starts_with("%~"), "{value}");
    }
}

#[test]
fn numbers_that_are_none_or_too_large_are_not_sound() {
    let datum = |minimum: f64, maximum: f64, sum: f64, samples: f64| Datum {
        name: "n".into(),
        tenant: "t".into(),
        minimum,
        maximum,
        sum,
        samples,
    };
    assert!(datum(1.0, 2.0, 3.0, 2.0).is_valid());
    assert!(datum(-MAX_NUMBER, MAX_NUMBER, 0.0, 1.0).is_valid());
    assert_eq!(MAX_NUMBER, 2f64.powi(360));
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0 * MAX_NUMBER, -2.0 * MAX_NUMBER] {
        for datum in [datum(odd, 2.0, 3.0, 2.0), datum(1.0, odd, 3.0, 2.0), datum(1.0, 2.0, odd, 2.0)] {
            assert!(!datum.is_valid(), "{datum:?}");
        }
        assert!(!datum(1.0, 2.0, 3.0, odd).is_valid());
    }
    assert!(!datum(2.0, 1.0, 3.0, 2.0).is_valid() && !datum(1.0, 2.0, 3.0, 0.0).is_valid());
}
