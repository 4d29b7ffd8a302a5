use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::Dependency;
use super::*;
use tokio::net::TcpSocket;

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
    server.metrics.count_message("acknowledged");
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
async fn ready_names_what_is_down_and_nothing_of_aws_s_words() {
    let server = server().await;
    assert_eq!(server.get("/readyz").await, (200, "ok\n".to_owned()));
    server
        .health
        .mark_down(Dependency::TenantTable, &"denied: arn:aws:iam::123456789012:role/x may not dynamodb:Query");
    server.health.mark_down(Dependency::Queue, &"not found");
    server.health.mark_up(Dependency::Bucket);
    let why = "can't be reached (the log says why)";
    assert_eq!(server.get("/readyz").await, (503, format!("queue: {why}\ntenant table: {why}\n")));
    // The process isn't to be restarted for that.
    assert_eq!(server.get("/healthz").await.0, 200);
    server.health.mark_up(Dependency::TenantTable);
    assert_eq!(server.get("/readyz").await, (503, format!("queue: {why}\n")));
    server.health.mark_up(Dependency::Queue);
    assert_eq!(server.get("/readyz").await, (200, "ok\n".to_owned()));
}

#[test]
fn healthy_while_the_loop_goes_round() {
    let health = Health::default();
    assert_eq!(healthy(&health, Instant::now()), (StatusCode::OK, "ok\n".to_owned()));
    let (status, text) = healthy(&health, Instant::now() + Duration::from_secs(121));
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("121 s"), "{text}");
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

/// Half-open connections: of each kind so many, from as many addresses as there are.
async fn half_open(server: &Server, count: usize, sends: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for number in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        let last = u8::try_from(1 + number % 100).unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        // The server may have closed it by then: others came.
        let _ = stream.write_all(sends).await;
        open.push(stream);
    }
    open
}

/// However many connections are held open, and by whom: a probe has its answer, and all
/// is as before when they have gone.
#[tokio::test]
async fn half_open_connections_keep_no_probe_out() {
    let server = server().await;
    let mut held = Vec::new();
    for sends in [&b""[..], b"GET /healthz HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"] {
        held.extend(half_open(&server, 100, sends).await);
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(server.get(path).await.0, 200);
        }
    }
    // Of one address, all at once.
    for _ in 0..200 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_eq!(server.get("/healthz").await, (200, "ok\n".to_owned()));
    drop(held);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.0, 200);
    }
}

/// Whoever sends nothing, or half a head, is let go, and so is whoever doesn't read.
#[tokio::test]
async fn connections_end_in_time() {
    let short = Duration::from_millis(20);
    let long = Duration::from_secs(3600);
    for timeouts in [ConnectionTimeouts { head: short, whole: long }, ConnectionTimeouts { head: long, whole: short }] {
        let connections = Connections::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (metrics, health) = (Metrics::new(), Health::default());
        let server = super::Server { metrics, health, render_lock: Arc::default(), timeouts };
        tokio::spawn(accept(listener, server, connections.clone()));
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        let _ = half.write_all(b"GET / HTTP/1.1\r\n").await;
        while connections.admitted() < 2 || connections.len() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(4 * MAX_HEAD_BYTES));
    // It is closed before all was sent.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = server().await;
    let error = serve(server.address, Metrics::new(), Health::default()).await.unwrap_err();
    assert!(error.contains("HTTP_ADDR") && error.contains(&server.address.to_string()), "{error}");
}
