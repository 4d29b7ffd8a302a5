//! What operators see of the processor: JSON logs, metrics, health.
//!
//! - `log`: JSON lines on standard output; one per object at INFO.
//! - `metrics`: counts and times, as Prometheus takes them; labels are bounded; `families` names them (each a
//!   `family`), `plugins` those about tenants' components, `labels` which of them have labels.
//! - `cloudwatch`: the reference's metrics, aggregated until they are flushed.
//! - `health`: whether the intake makes progress, and which dependencies are down.
//! - `http`: /metrics, /healthz, /readyz; `connections`: who may be connected.
//! - `throttle`: a rate limit for repeated log lines.
//! - `waiting`: the deliveries that wait.

mod cloudwatch;
mod connections;
mod families;
mod family;
mod finished_delivery;
mod health;
mod http;
mod labels;
mod log;
mod log_options;
mod metrics;
mod plugins;
mod throttle;
mod waiting;

pub use cloudwatch::TenantMetrics;
pub use finished_delivery::FinishedDelivery;
pub use health::{Dependency, Health};
pub use http::serve;
pub use log::init;
pub use log_options::{LogFormat, LogLevel};
pub use metrics::Metrics;
pub use throttle::Throttle;
pub use waiting::WaitingDeliveries;
