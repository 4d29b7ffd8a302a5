//! Connections, and what happens to each request.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::body::Answer;
use crate::call::{Call, Service};
use crate::fault::{self, Effect};
use crate::identity::{Credentials, Permissions, Session};
use crate::reply::{Refusal, Reply};
use crate::state::{State, Step};
use crate::{PROCESSOR_ARN, REGION, clock};

/// AWS. `Clone` is cheap; it stops when the last clone is dropped.
#[derive(Clone)]
pub struct FakeAws {
    shared: Arc<Shared>,
    own: Credentials,
    _running: Arc<Running>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something that a long poll waits for may have happened.
    pub(crate) changed: Notify,
    /// Whether messages of log events are kept, or only their lengths.
    pub(crate) keep_events: AtomicBool,
    /// Whether a long poll goes on without its client.
    pub(crate) polls_outlive_clients: AtomicBool,
    connections: AtomicUsize,
    polls: AtomicUsize,
    address: SocketAddr,
}

/// Stops the server when it is dropped.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl FakeAws {
    /// Starts on a free port, in this runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (fake, stopped) = Self::new(listener.local_addr().expect("an address"), None);
        tokio::spawn(serve(listener, Arc::clone(&fake.shared), stopped));
        fake
    }

    /// Starts on a free port, in a thread of its own.
    pub fn start_blocking() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (give, given) = std::sync::mpsc::channel::<(Arc<Shared>, oneshot::Receiver<()>)>();
        let thread = std::thread::spawn(move || {
            let Ok((shared, stopped)) = given.recv() else { return };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                serve(TcpListener::from_std(listener).expect("a socket"), shared, stopped).await;
            });
        });
        let (fake, stopped) = Self::new(address, Some(thread));
        give.send((Arc::clone(&fake.shared), stopped)).expect("the thread waits");
        fake
    }

    fn new(address: SocketAddr, thread: Option<JoinHandle<()>>) -> (Self, oneshot::Receiver<()>) {
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new()),
            changed: Notify::new(),
            keep_events: AtomicBool::new(true),
            polls_outlive_clients: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            polls: AtomicUsize::new(0),
            address,
        });
        let own = Credentials { access_key_id: String::new(), secret_access_key: String::new(), session_token: None };
        let mut fake = Self { shared, own, _running: Arc::new(Running { stop: Some(stop), thread }) };
        fake.own = fake.add_user(PROCESSOR_ARN, Permissions::all());
        (fake, stopped)
    }

    /// Such as `http://127.0.0.1:40123`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Such as `127.0.0.1:40123`: AWS_LAMBDA_RUNTIME_API.
    pub fn authority(&self) -> String {
        self.shared.address.to_string()
    }

    /// The processor's own credentials, which may do everything until
    /// [`FakeAws::set_permissions`] of [`PROCESSOR_ARN`] says otherwise.
    pub fn own(&self) -> &Credentials {
        &self.own
    }

    /// The environment that makes a child process the processor here.
    pub fn env(&self) -> Vec<(String, String)> {
        let own = &self.own;
        let pairs = [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", own.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", own.secret_access_key.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_S3_USE_PATH_STYLE", "true".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The number of polls of queues that wait, or are being answered.
    pub fn open_polls(&self) -> usize {
        self.shared.polls.load(Ordering::Relaxed)
    }

    /// Probes until there is an answer; `None` if there was none within `limit`.
    pub async fn until<T>(&self, limit: Duration, mut probe: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = probe(self) {
                return Some(found);
            }
            if Instant::now() >= end {
                return None;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// [Probes](FakeAws::until) outside of an async runtime.
    pub fn until_blocking<T>(&self, limit: Duration, mut probe: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = probe(self) {
                return Some(found);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    /// A test that panics while it holds this must not hide behind a poisoned lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as one until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts until the handle is gone; connections end with it.
async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _counted = Counted::new(&shared.connections);
    let reset = AtomicBool::new(false);
    let service = service_fn(|request| Box::pin(answer(&shared, request, &reset)));
    let mut http = http1::Builder::new();
    http.header_read_timeout(None);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if reset.load(Ordering::Relaxed) {
        // Closing without lingering sends RST.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// An answer, given at AWS's time. An error closes the connection.
async fn answer(shared: &Arc<Shared>, request: Request<Incoming>, reset: &AtomicBool) -> io::Result<Response<Answer>> {
    let mut answer = answered(shared, request, reset).await?;
    let date = clock::http_date(shared.state().identities.now());
    answer.headers_mut().insert("date", date.parse().expect("a date is a header"));
    Ok(answer)
}

async fn answered(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    reset: &AtomicBool,
) -> io::Result<Response<Answer>> {
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    let mut call = Call::read(parts, body, shared.keep_events.load(Ordering::Relaxed));
    let (who, fault, latency) = admit(shared, &call);
    if !latency.is_zero() {
        sleep(latency).await;
    }
    let broken = || {
        reset.store(true, Ordering::Relaxed);
        io::Error::other("closed on purpose")
    };
    let who = match who {
        Ok(who) => who,
        Err(refusal) => return Ok(response(refusal.reply(&call), None)),
    };
    match &fault {
        Some(Effect::Hang) => std::future::pending::<()>().await,
        Some(Effect::Delay(delay)) => sleep(*delay).await,
        Some(Effect::Hold(gate)) => gate.pass().await,
        Some(Effect::ResetBefore) => return Err(broken()),
        Some(Effect::RefuseAfter(entries)) => call.taken_of_batch = Some(*entries),
        _ => {}
    }
    if let Some(reply) = fault.as_ref().and_then(|what| fault::answer(what, &call)) {
        return Ok(response(reply, None));
    }
    let outlives = call.operation == "ReceiveMessage" && shared.polls_outlive_clients.load(Ordering::Relaxed);
    let reply = if outlives {
        let shared = Arc::clone(shared);
        // A task that nobody waits for goes on.
        let poll = tokio::spawn(async move { perform(&shared, &mut call, who.as_ref()).await });
        return Ok(response(poll.await.map_err(io::Error::other)?, fault.as_ref()));
    } else {
        perform(shared, &mut call, who.as_ref()).await
    };
    if matches!(fault, Some(Effect::ResetAfter)) {
        return Err(broken());
    }
    Ok(response(reply, fault.as_ref()))
}

/// Admits a call: its session (`None` for the Lambda runtime), its fault, and its latency.
fn admit(shared: &Shared, call: &Call) -> (Result<Option<Arc<Session>>, Refusal>, Option<Effect>, Duration) {
    let mut state = shared.state();
    let who = match call.service {
        Service::Lambda => Ok(None),
        _ => state.identities.caller(call).map(Some),
    };
    let known = who.as_ref().ok().and_then(Option::as_ref);
    let latency = state.note(call, known);
    let fault = fault::take(&mut state.faults, call, known.map(AsRef::as_ref));
    (who, fault, latency)
}

async fn perform(shared: &Shared, call: &mut Call, who: Option<&Arc<Session>>) -> Reply {
    let _counted = (call.operation == "ReceiveMessage").then(|| Counted::new(&shared.polls));
    loop {
        let mut changed = pin!(shared.changed.notified());
        changed.as_mut().enable();
        let step = shared.state().run(call, who);
        match step {
            Ok(Step::Done(reply)) => {
                if matches!(call.service, Service::Sqs | Service::Lambda) && call.operation != "ReceiveMessage" {
                    shared.changed.notify_waiters();
                }
                return reply;
            }
            Ok(Step::Wait(until)) => {
                tokio::select! {
                    () = changed => {}
                    () = sleep_until(until.into()) => {}
                }
            }
            Err(refusal) => return refusal.reply(call),
        }
    }
}

/// All of a body, without a copy where it came in one piece.
async fn read(mut body: Incoming) -> io::Result<Bytes> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(first.len() + data.len() + body.size_hint().lower() as usize);
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn response(reply: Reply, fault: Option<&Effect>) -> Response<Answer> {
    let length = reply.length.unwrap_or(reply.body.len() as u64);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(&**name, value);
    }
    if reply.status != 204 {
        response = response.header("content-length", length);
    }
    let body = match fault {
        Some(Effect::TruncateBody(at)) => Answer::cut(&reply.body, *at),
        Some(Effect::SlowBody { bytes, every }) => Answer::slow(reply.body, *bytes, *every),
        _ => Answer::whole(reply.body),
    };
    response.body(body).expect("headers that were checked")
}
