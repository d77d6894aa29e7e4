//! `doorward restore`: a backup becomes an installation.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward_store::{Clock, RestoreOptions, Restored, RevocationSource, restore};
use secrecy::SecretString;
use serde_json::json;

use crate::cli::RestoreArgs;
use crate::config::Data;
use crate::environment::Environment;
use crate::output::{self, Progress};
use crate::passphrase;

/// `data`: where the configuration says that the new installation is.
pub(crate) async fn run(
    args: &RestoreArgs,
    data: Data,
    environment: &Environment,
) -> anyhow::Result<()> {
    let shown = args.file.display();
    let length = args.file.metadata().with_context(|| format!("cannot read {shown}"))?.len();
    let live = args.live_data_dir.iter().cloned().map(RevocationSource::DataDir);
    let named = args.revocations_from.iter().map(|named| source(named));
    let options = RestoreOptions {
        archive: args.file.clone(),
        passphrase: passphrase::recall(&args.passphrase, environment, &shown.to_string())?,
        data_dir: data.dir,
        database_url: data.database_url,
        master_key: data.master_key,
        clock: Clock::system(),
        revocations: named.chain(live).collect(),
    };
    // The file is read twice: first to prove that it is whole.
    let progress = Progress::start("restoring", length * 2);
    let restored = Box::pin(restore(&options, &mut |bytes| progress.pass(bytes))).await?;
    progress.end();
    if args.json {
        return output::json(&object(&restored, &options.data_dir));
    }
    Ok(output::line(&said(&restored, &options))?)
}

/// An address of a database, a directory, or else a list.
fn source(named: &str) -> RevocationSource {
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| named.starts_with(scheme));
    let path = PathBuf::from(named);
    if is_url {
        RevocationSource::Database(SecretString::from(named))
    } else if path.is_dir() {
        RevocationSource::DataDir(path)
    } else {
        RevocationSource::List(path)
    }
}

fn said(restored: &Restored, options: &RestoreOptions) -> String {
    let (rows, data) = (output::count(restored.rows), options.data_dir.display());
    let mut lines = vec![format!("Restored {rows} rows of {} into {data}.", restored.made_at)];
    if options.revocations.is_empty() {
        lines.push(
            "Keys that were revoked since then work again: --revocations-from would have kept \
             them revoked."
                .to_owned(),
        );
    } else {
        lines.push(format!(
            "Ended since then, and ended here: {} keys revoked, {} disabled, {} secrets replaced, \
             {} users and service accounts.",
            restored.keys_revoked,
            restored.keys_disabled,
            restored.secrets_ended,
            restored.owners_ended
        ));
    }
    if restored.spend_raised > 0 {
        let sums = output::count(restored.spend_raised);
        lines.push(format!("{sums} sums of budgets were taken from the old data."));
    }
    lines.push(format!(
        "`doorward serve --data {}` serves it.",
        output::shell_word(&data.to_string())
    ));
    lines.join("\n")
}

fn object(restored: &Restored, data: &Path) -> serde_json::Value {
    json!({
        "object": "restore",
        "data": data,
        "made_at": restored.made_at,
        "rows": restored.rows,
        "keys_revoked": restored.keys_revoked,
        "keys_disabled": restored.keys_disabled,
        "secrets_ended": restored.secrets_ended,
        "owners_ended": restored.owners_ended,
        "spend_raised": restored.spend_raised,
    })
}
