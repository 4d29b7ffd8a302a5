//! What the processor says about itself: JSON logs, metrics, health.
//!
//! - `log`: one JSON line an event on standard output; one an object at INFO.
//! - `metrics`: counts and times, as Prometheus takes them; labels are bounded; `families` names them,
//!   `plugins` those about tenants' components.
//! - `cloudwatch`: the reference's metrics, aggregated until they are flushed.
//! - `http`: /metrics, /healthz, /readyz.
//! - `throttle`: what may be said often is said only so often.

mod cloudwatch;
mod families;
mod http;
mod log;
mod metrics;
mod plugins;
mod throttle;

pub use cloudwatch::TenantMetrics;
pub use http::{Health, serve};
pub use log::init;
pub use metrics::{DeliveryDone, Metrics};
pub use throttle::Throttle;
