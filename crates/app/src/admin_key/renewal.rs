//! Keeps the administrator's key of a server that runs for longer than the key lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doorward_domain::key::{ApiKey, KeyStatus};
use doorward_store::Store;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{FILE, find_stored, renew};

/// The clock of the wall may be set, and machines sleep: nobody waits for longer than this.
const WAIT_MAX: Duration = Duration::from_hours(1);
const WAIT_MIN: Duration = Duration::from_secs(1);
/// After a renewal that failed.
const RETRY: Duration = Duration::from_mins(1);

/// Renews the key in the data directory whenever less than a quarter of its life is left, until
/// `shutdown`. The old one works until its end.
pub(crate) async fn run(store: Arc<Store>, data_dir: PathBuf, shutdown: CancellationToken) {
    let renewal = Renewal { store, data_dir };
    loop {
        let wait = match renewal.check().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the administrator's key is not renewed"
                );
                RETRY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Renewal {
    store: Arc<Store>,
    data_dir: PathBuf,
}

impl Renewal {
    /// Renews the key if it is due, and says how long to wait for the next look.
    ///
    /// Only a key that ends or has ended by itself is renewed. Who revoked it, or took its file
    /// away, meant it.
    async fn check(&self) -> anyhow::Result<Duration> {
        let (store, path) = (&*self.store, self.data_dir.join(FILE));
        let (made, _) = store.bootstrap().await?;
        let Some((_, key)) = find_stored(store, &made, &path).await? else { return Ok(WAIT_MAX) };
        let now = store.clock().now();
        let ends_by_itself = matches!(key.status(now), KeyStatus::Active | KeyStatus::Expired);
        let Some(due_at) = due_at(&key).filter(|_| ends_by_itself) else { return Ok(WAIT_MAX) };
        if now < due_at {
            let wait = Duration::try_from(due_at.duration_since(now)).unwrap_or(WAIT_MIN);
            return Ok(wait.clamp(WAIT_MIN, WAIT_MAX));
        }
        renew(store, &made, &path, key).await.context("another one cannot be made")?;
        tracing::info!(path = %path.display(), "the administrator's key is renewed");
        Ok(WAIT_MIN)
    }
}

/// When a quarter of its life is left. `None`: it never ends.
fn due_at(key: &ApiKey) -> Option<Timestamp> {
    let end = key.rights.expires_at?;
    end.checked_sub(end.duration_since(key.life.secret_made_at()) / 4).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio_util::task::TaskTracker;

    use super::super::tests::{Fixture, fixture};
    use super::*;

    fn stored(fixture: &Fixture) -> String {
        std::fs::read_to_string(fixture.dir.path().join(FILE)).unwrap()
    }

    fn renewal(fixture: &Fixture) -> Renewal {
        Renewal { store: Arc::clone(&fixture.store), data_dir: fixture.dir.path().to_owned() }
    }

    #[tokio::test]
    async fn the_key_is_renewed_while_the_server_runs() {
        let fixture = fixture().await;
        let first = stored(&fixture);
        fixture.pass_days(67);
        assert_eq!(renewal(&fixture).check().await.unwrap(), WAIT_MAX);
        assert_eq!(stored(&fixture), first);
        fixture.pass_days(1);
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let data_dir = fixture.dir.path().to_owned();
        tracker.spawn(run(Arc::clone(&fixture.store), data_dir, shutdown.clone()));
        while stored(&fixture) == first {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
        tracker.close();
        tracker.wait().await;
        let mode = std::fs::metadata(fixture.dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for key in [first, stored(&fixture)] {
            assert_eq!(fixture.status(&key).await, KeyStatus::Active);
        }
    }

    #[tokio::test]
    async fn a_key_that_ended_while_the_machine_slept_is_renewed() {
        let fixture = fixture().await;
        let first = stored(&fixture);
        fixture.pass_days(91);
        renewal(&fixture).check().await.unwrap();
        assert_ne!(stored(&fixture), first);
        assert_eq!(fixture.status(&stored(&fixture)).await, KeyStatus::Active);
    }

    #[tokio::test]
    async fn a_file_that_was_taken_away_stays_away() {
        let fixture = fixture().await;
        fixture.pass_days(80);
        std::fs::remove_file(fixture.dir.path().join(FILE)).unwrap();
        assert_eq!(renewal(&fixture).check().await.unwrap(), WAIT_MAX);
        assert!(!fixture.dir.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn the_next_look_is_when_a_quarter_of_the_life_is_left() {
        let fixture = fixture().await;
        // Half an hour before.
        fixture.pass_us(67 * 86_400_000_000 + 41_400_000_000);
        let wait = renewal(&fixture).check().await.unwrap();
        assert_eq!(wait, Duration::from_mins(30));
    }
}
