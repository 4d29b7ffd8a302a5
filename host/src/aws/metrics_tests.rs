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
