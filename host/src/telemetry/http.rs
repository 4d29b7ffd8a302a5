//! /metrics, /healthz, /readyz.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Metrics;

/// How long the intake's loop may take to go round.
const ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// Connections at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 64;

/// For a request's head, and for a connection as a whole: one request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Before the next try, where a connection can't be accepted: out of files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Whether the process can work. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    alive: Instant,
    parts: BTreeMap<&'static str, Result<(), String>>,
}

impl Default for State {
    /// A loop that has yet to begin is not late.
    fn default() -> Self {
        Self { alive: Instant::now(), parts: BTreeMap::new() }
    }
}

impl Health {
    /// `part` (`queue`, `table`, …) works, or why not: /readyz is 503 while any part fails.
    pub fn set(&self, part: &'static str, state: Result<(), String>) {
        self.lock().parts.insert(part, state);
    }

    /// The loop of the intake went round: /healthz is 503 when it has not for two minutes.
    pub fn alive(&self) {
        self.lock().alive = Instant::now();
    }

    fn healthy(&self, now: Instant) -> (StatusCode, String) {
        let idle = now.saturating_duration_since(self.lock().alive);
        if idle <= ALIVE_WITHIN {
            return (StatusCode::OK, "ok\n".to_owned());
        }
        let text = format!("the intake has not gone round for {} s; it should within 120 s\n", idle.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// A line a part that fails.
    fn ready(&self) -> (StatusCode, String) {
        let state = self.lock();
        let failing = state.parts.iter().filter_map(|(part, state)| Some((part, state.as_ref().err()?)));
        let lines: String =
            failing.map(|(part, why)| format!("{part}: {}\n", why.replace(['\n', '\r'], " "))).collect();
        match lines.is_empty() {
            true => (StatusCode::OK, "ok\n".to_owned()),
            false => (StatusCode::SERVICE_UNAVAILABLE, lines),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    tokio::spawn(accept(listener, metrics, health));
    Ok(bound)
}

async fn accept(listener: TcpListener, metrics: Metrics, health: Health) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (metrics, health) = (metrics.clone(), health.clone());
        tokio::spawn(async move {
            // However it ends, there is nobody to tell.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection(stream, metrics, health)).await;
            drop(permit);
        });
    }
}

/// One request: an idle connection must not keep a probe out.
async fn connection(stream: TcpStream, metrics: Metrics, health: Health) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = answer(request.method(), request.uri().path(), &metrics, &health);
        async { Ok::<_, Infallible>(response) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// For HEAD as for GET: the connection leaves the body out.
fn answer(method: &Method, path: &str, metrics: &Metrics, health: &Health) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let (status, text) = match path {
        "/metrics" => return response(StatusCode::OK, "text/plain; version=0.0.4", metrics.text()),
        "/healthz" => health.healthy(Instant::now()),
        "/readyz" => health.ready(),
        _ => (StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n".to_owned()),
    };
    response(status, PLAIN, text)
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
