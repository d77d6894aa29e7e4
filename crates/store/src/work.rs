//! Long work whose results are read while it goes on.

use std::pin::Pin;

use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use tokio::sync::mpsc::Receiver;

use crate::StoreError;

/// Work that hands its pieces on by a channel.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Does the work as far as its pieces are asked for: no task of its own, so that it ends with
/// whoever reads.
pub(crate) fn run<T: Send + 'static>(
    work: Work,
    pieces: Receiver<T>,
) -> BoxStream<'static, Result<T, StoreError>> {
    let next = async move |(mut work, mut pieces): (Option<Work>, Receiver<T>)| {
        loop {
            let Some(going_on) = &mut work else {
                return pieces.recv().await.map(|piece| (Ok(piece), (work, pieces)));
            };
            tokio::select! {
                biased;
                Some(piece) = pieces.recv() => return Some((Ok(piece), (work, pieces))),
                ended = going_on => {
                    work = None;
                    if let Err(error) = ended {
                        pieces.close();
                        return Some((Err(error), (work, pieces)));
                    }
                }
            }
        }
    };
    unfold((Some(work), pieces), next).boxed()
}
