//! /metrics, /healthz, /readyz.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::connections::{ConnectionSlot, Connections};
use super::{Health, Metrics};

/// The time limits of a connection, which serves one request.
#[derive(Debug, Clone, Copy)]
struct ConnectionTimeouts {
    /// The limit for the request's head.
    head: Duration,
    /// The limit for the whole connection, until the answer is read.
    whole: Duration,
}

const TIMEOUTS: ConnectionTimeouts =
    ConnectionTimeouts { head: Duration::from_secs(5), whole: Duration::from_secs(15) };

/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The pause after a connection couldn't be accepted, usually for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until the process ends. The address is bound before this returns; the returned
/// address is the bound one (port 0 means any free port).
///
/// # Errors
/// The address can't be bound: names it and HTTP_ADDR.
pub async fn serve(address: SocketAddr, metrics: Metrics, health: Health) -> Result<SocketAddr, String> {
    let failed = |error: std::io::Error| {
        format!("HTTP_ADDR {address} can't be bound: {error}; set HTTP_ADDR to another address, or to none")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let server = Server { metrics, health, render_lock: Arc::default(), timeouts: TIMEOUTS };
    tokio::spawn(accept(listener, server, Connections::default()));
    Ok(bound)
}

/// The server's state. `Clone` is cheap.
#[derive(Clone)]
struct Server {
    metrics: Metrics,
    health: Health,
    /// Held while the metrics are rendered, so that at most one core is busy with it.
    render_lock: Arc<Mutex<()>>,
    timeouts: ConnectionTimeouts,
}

/// Accepts every connection at once: see [`Connections`].
async fn accept(listener: TcpListener, server: Server, connections: Connections) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            connections.close_oldest();
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (server, slot) = (server.clone(), Arc::new(connections.admit(peer.ip())));
        tokio::spawn(async move {
            let (closed, whole) = (slot.closed(), server.timeouts.whole);
            // There is nobody to tell how it ended.
            tokio::select! {
                () = closed.cancelled() => {}
                _ = tokio::time::timeout(whole, connection(stream, server, slot)) => {}
            }
        });
    }
}

/// Serves one request. Connections aren't kept alive: an idle one must not keep a probe out.
async fn connection(stream: TcpStream, server: Server, slot: Arc<ConnectionSlot>) -> hyper::Result<()> {
    let head = server.timeouts.head;
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (server, slot) = (server.clone(), Arc::clone(&slot));
        async move { Ok::<_, Infallible>(server.answer(request.method(), request.uri().path(), &slot).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

impl Server {
    /// Answers a request. HEAD is answered as GET is; hyper leaves the body out.
    async fn answer(&self, method: &Method, path: &str, slot: &ConnectionSlot) -> Response<Full<Bytes>> {
        const PLAIN: &str = "text/plain; charset=utf-8";
        slot.mark_answering();
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (status, text) = match path {
            "/metrics" => {
                slot.mark_sending_metrics();
                let _rendering = self.render_lock.lock().await;
                return response(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.render());
            }
            "/healthz" => healthy(&self.health, Instant::now()),
            "/readyz" => ready(&self.health),
            _ => (StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n".to_owned()),
        };
        response(status, PLAIN, text)
    }
}

fn healthy(health: &Health, now: Instant) -> (StatusCode, String) {
    match health.overdue(now) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(idle) => {
            let text = format!("the intake has not gone round for {} s; it should within 120 s\n", idle.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// The answer to /readyz: a line with the name of each dependency that is down. AWS's error
/// texts, which hold accounts and resource names, are in the log only: a prober need not see
/// them.
fn ready(health: &Health) -> (StatusCode, String) {
    let down = health.down();
    match down.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => {
            let lines =
                down.iter().map(|dependency| format!("{}: can't be reached (the log says why)\n", dependency.name()));
            (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
