//! What the processor says about itself: JSON logs, metrics, health.
//!
//! - `log`: one JSON line an event on standard output; one an object at INFO.
//! - `metrics`: counts and times, as Prometheus takes them; labels are bounded; `families` names them.
//! - `cloudwatch`: the reference's metrics, aggregated until they are flushed.
//! - `http`: /metrics, /healthz, /readyz.

mod cloudwatch;
mod families;
mod http;
mod log;
mod metrics;

pub use cloudwatch::TenantMetrics;
pub use http::{Health, serve};
pub use log::init;
pub use metrics::{DeliveryDone, Metrics};
