//! How a deployment is, and why it is left alone: what calls and health checks have found out.

use serde::Serialize;
use utoipa::ToSchema;

/// Whether calls go through to something; the best is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthState)]
pub enum State {
    /// All do.
    Closed,
    /// One is to find out whether all may.
    HalfOpen,
    /// None does.
    Open,
}

/// Why something is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RestReason)]
pub enum Reason {
    /// Calls failed.
    Failures,
    /// It asked for that, or was overloaded.
    Asked,
    /// A credential has had its share for now.
    RateLimited,
    /// A credential is not taken.
    Refused,
    /// Health checks fail.
    Checks,
}
