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

/// How long a connection may take: one request.
#[derive(Debug, Clone, Copy)]
struct ConnectionTimeouts {
    /// For the request's head.
    head: Duration,
    /// For all of it, until the answer is read.
    whole: Duration,
}

const TIMEOUTS: ConnectionTimeouts =
    ConnectionTimeouts { head: Duration::from_secs(5), whole: Duration::from_secs(15) };

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Before the next try, where a connection can't be accepted: out of files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until the process ends. Binds before it returns; the address that it
/// returns is the one that is bound (port 0: any that is free).
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

/// Who answers. `Clone` is cheap.
#[derive(Clone)]
struct Server {
    metrics: Metrics,
    health: Health,
    /// Of whoever writes the metrics down: one core at most is busy with it.
    render_lock: Arc<Mutex<()>>,
    timeouts: ConnectionTimeouts,
}

/// Every connection is accepted at once: see [`Connections`].
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
            // However it ends, there is nobody to tell.
            tokio::select! {
                () = closed.cancelled() => {}
                _ = tokio::time::timeout(whole, connection(stream, server, slot)) => {}
            }
        });
    }
}

/// One request: an idle connection must not keep a probe out.
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
    /// For HEAD as for GET: the connection leaves the body out.
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
                return response(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.text());
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

/// A line for each part that is down: its name. AWS's words, which hold accounts and
/// names of resources, are in the log: whoever may probe need not see them.
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
