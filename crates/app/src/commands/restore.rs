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

const WITHOUT_REVOCATIONS: &str = "What ended since then works again: keys that were revoked or given \
fewer rights, users who were removed, passwords that were changed. --revocations-from, with the old \
data directory or what `doorward audit export` wrote, would have kept all that ended.";
const SIGN_INS_ENDED: &str = "Whose password or second factor changed since has none here: give them a \
link with `doorward users reset-password`.";

/// `data`: where the configuration says that the new installation is.
pub(crate) async fn run(
    args: &RestoreArgs,
    data: Data,
    environment: &Environment,
) -> anyhow::Result<()> {
    let shown = args.file.display();
    let length = args.file.metadata().with_context(|| format!("cannot read {shown}"))?.len();
    let options = RestoreOptions {
        archive: args.file.clone(),
        passphrase: passphrase::recall(&args.passphrase, environment, &shown.to_string())?,
        data_dir: data.dir,
        database_url: data.database_url,
        master_key: data.master_key,
        clock: Clock::system(),
        revocations: args.revocations_from.iter().map(|named| source(named)).collect(),
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
    let mut lines =
        vec![format!("Restored the backup of {} into {data}: {rows} rows.", restored.made_at)];
    if options.revocations.is_empty() {
        lines.push(WITHOUT_REVOCATIONS.to_owned());
    } else {
        lines.push(format!("Ended since then, and ended here too: {}.", ended(restored)));
    }
    if restored.sign_ins_ended > 0 {
        lines.push(SIGN_INS_ENDED.to_owned());
    }
    if restored.spend_raised > 0 {
        let sums = output::count(restored.spend_raised);
        lines.push(format!("{sums} sums of budgets were taken from the old data."));
    }
    lines.push(
        "Everybody signs in again and asks for new tokens; notices that were sent since the backup may \
         be sent again."
            .to_owned(),
    );
    lines.push(format!(
        "`doorward serve --data {}` serves it.",
        output::shell_word(&data.to_string())
    ));
    lines.join("\n")
}

/// What was ended, each with how often; what was not is left out.
fn ended(restored: &Restored) -> String {
    let counts = [
        ("keys revoked", restored.keys_revoked),
        ("keys disabled", restored.keys_disabled),
        ("keys with other rights", restored.keys_edited),
        ("secrets replaced", restored.secrets_ended),
        ("users and service accounts removed or disabled", restored.owners_ended),
        ("users with another role or address", restored.users_edited),
        ("passwords or second factors changed", restored.sign_ins_ended),
        ("webhooks changed", restored.webhooks_removed),
        ("limit increases over", restored.increases_ended),
    ];
    let some = counts.iter().filter(|(_, count)| *count > 0);
    let some: Vec<_> =
        some.map(|(what, count)| format!("{what}: {}", output::count(*count))).collect();
    if some.is_empty() { "nothing".to_owned() } else { some.join(", ") }
}

fn object(restored: &Restored, data: &Path) -> serde_json::Value {
    let mut object = restored.counts();
    object.insert("object".to_owned(), "restore".into());
    object.insert("data".to_owned(), json!(data));
    object.insert("made_at".to_owned(), json!(restored.made_at));
    object.into()
}
