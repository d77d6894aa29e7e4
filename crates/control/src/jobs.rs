//! What the control plane does by itself, again and again.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{Forgotten, Store, Swept};
use tokio_util::sync::CancellationToken;

/// Puts keys and secrets away that are over: at once, then `every` so often, until `shutdown`.
pub async fn sweep(store: Arc<Store>, every: Duration, shutdown: CancellationToken) {
    loop {
        match store.sweep_keys().await {
            Ok(Swept { keys: 0, secrets: 0 }) => {}
            Ok(Swept { keys, secrets }) => tracing::info!(keys, secrets, "swept"),
            Err(error) => tracing::warn!(%error, "keys that are over are not put away"),
        }
        if let Err(error) = store.sweep_sign_ins().await {
            tracing::warn!(%error, "sessions and links that are over are not put away");
        }
        if let Err(error) = store.sweep_increases().await {
            tracing::warn!(%error, "limit increases that are over are not put away");
        }
        match store.sweep_old_records().await {
            Ok(Forgotten { audit_entries: 0, calls: 0 }) => {}
            Ok(Forgotten { audit_entries, calls }) => {
                tracing::info!(audit_entries, calls, "old records deleted");
            }
            Err(error) => tracing::warn!(%error, "old records are not deleted"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
