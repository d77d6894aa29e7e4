//! What the control plane does by itself, again and again.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{Forgotten, Store, Swept};
use tokio_util::sync::CancellationToken;

/// Puts away what is over, and deletes what is old: at once, then `every` so often, until `shutdown`.
/// Neither waits for the other: many old records take their time.
pub async fn sweep(store: Arc<Store>, every: Duration, shutdown: CancellationToken) {
    let over = Box::pin(sweep_what_is_over(&store, every, &shutdown));
    let old = Box::pin(sweep_what_is_old(&store, every, &shutdown));
    tokio::join!(over, old);
}

async fn sweep_what_is_over(store: &Store, every: Duration, shutdown: &CancellationToken) {
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
        if is_over_after(every, shutdown).await {
            return;
        }
    }
}

async fn sweep_what_is_old(store: &Store, every: Duration, shutdown: &CancellationToken) {
    loop {
        match store.sweep_old_records_until(shutdown).await {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { audit_entries, keys, calls, hours, prompts }) => {
                tracing::info!(audit_entries, keys, calls, hours, prompts, "old records deleted");
            }
            Err(error) => tracing::warn!(%error, "old records are not deleted"),
        }
        if is_over_after(every, shutdown).await {
            return;
        }
    }
}

/// Waits until the next sweep. `true`: there is none, because of `shutdown`.
async fn is_over_after(every: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => true,
        () = tokio::time::sleep(every) => false,
    }
}
