use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Server {
    address: SocketAddr,
    health: Health,
    metrics: Metrics,
}

async fn server() -> Server {
    let (metrics, health) = (Metrics::new(), Health::default());
    let address = serve(([127, 0, 0, 1], 0).into(), metrics.clone(), health.clone()).await.unwrap();
    Server { address, health, metrics }
}

impl Server {
    /// The whole answer: head and body.
    async fn ask(&self, method: &str, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.ask("GET", path).await;
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }
}

#[tokio::test]
async fn metrics_come_in_prometheus_form() {
    let server = server().await;
    server.metrics.message("acknowledged");
    let (head, body) = server.ask("GET", "/metrics").await;
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("log_processor_messages_total{outcome=\"acknowledged\"} 1\n"), "{body}");
}

#[tokio::test]
async fn head_has_no_body() {
    let server = server().await;
    let (head, body) = server.ask("HEAD", "/healthz").await;
    assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-length: 3"), "{head}");
    assert_eq!(body, "");
}

#[tokio::test]
async fn ready_says_what_is_not() {
    let server = server().await;
    assert_eq!(server.get("/readyz").await, (200, "ok\n".to_owned()));
    server.health.set("table", Err("denied:\nask for dynamodb:Query".to_owned()));
    server.health.set("queue", Err("not found".to_owned()));
    server.health.set("source", Ok(()));
    let lines = "queue: not found\ntable: denied: ask for dynamodb:Query\n";
    assert_eq!(server.get("/readyz").await, (503, lines.to_owned()));
    // The process isn't to be restarted for that.
    assert_eq!(server.get("/healthz").await.0, 200);
    server.health.set("table", Ok(()));
    server.health.set("queue", Ok(()));
    assert_eq!(server.get("/readyz").await.0, 200);
}

#[test]
fn healthy_while_the_loop_goes_round() {
    let health = Health::default();
    let later = |seconds| Instant::now() + Duration::from_secs(seconds);
    assert_eq!(health.healthy(later(119)), (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(health.healthy(later(121)).0, StatusCode::SERVICE_UNAVAILABLE);
    health.0.lock().unwrap().alive = later(60);
    assert_eq!(health.healthy(later(121)).0, StatusCode::OK);
    health.alive();
    assert_eq!(health.healthy(later(121)).0, StatusCode::SERVICE_UNAVAILABLE, "alive is now");
}

#[tokio::test]
async fn other_paths_and_methods() {
    let server = server().await;
    let (status, body) = server.get("/").await;
    assert_eq!(status, 404);
    assert!(["/metrics", "/healthz", "/readyz"].iter().all(|path| body.contains(path)), "{body}");
    assert_eq!(server.get("/healthz?verbose=1").await.0, 200);
    let (head, _) = server.ask("POST", "/metrics").await;
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
}

#[tokio::test]
async fn so_many_connections_at_once() {
    let server = server().await;
    // Idle ones take all places; a request waits until one of them is free.
    let mut idle = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    let quick = Duration::from_millis(300);
    assert!(tokio::time::timeout(quick, server.get("/healthz")).await.is_err(), "there is no limit");
    drop(idle);
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = server().await;
    let error = serve(server.address, Metrics::new(), Health::default()).await.unwrap_err();
    assert!(error.contains("HTTP_ADDR") && error.contains(&server.address.to_string()), "{error}");
}
