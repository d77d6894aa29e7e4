//! `doorward backup`: the whole installation in one file, from a server that goes on serving.

use std::io::Write as _;

use anyhow::Context as _;
use doorward_store::check_backup;
use serde_json::json;

use crate::cli::BackupArgs;
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Progress};
use crate::passphrase;
use crate::private_file::{Draft, IfThere};

const PATH: [&str; 2] = ["v1", "backup"];

/// The file takes its name only when all of it was read again and proved whole.
pub(crate) fn run(args: &BackupArgs, environment: &Environment) -> anyhow::Result<()> {
    let (client, shown) = (Client::new(&args.remote, environment)?, args.file.display());
    let if_there = if args.force { IfThere::Replace } else { IfThere::Refuse };
    let cannot = || format!("cannot write {shown}");
    let mut draft = Draft::create(&args.file, if_there).with_context(cannot)?;
    let passphrase = passphrase::choose(&args.passphrase, environment, "the backup")?;
    let body = json!({ "passphrase": passphrase.expose_secret() });
    let progress = Progress::start("backing up", 0);
    client.download(&PATH, &body, |estimated, piece| {
        progress.expect(estimated);
        progress.pass(piece.len() as u64);
        draft.write_all(piece).with_context(cannot)
    })?;
    progress.end();
    draft.flush()?;
    let proving = Progress::start("proving", draft.so_far().metadata()?.len());
    let summary = check_backup(draft.so_far(), &passphrase, &mut |bytes| proving.pass(bytes))?;
    proving.end();
    let bytes = draft.so_far().metadata()?.len();
    draft.keep().with_context(cannot)?;
    if args.remote.json {
        return output::json(&json!({
            "object": "backup", "file": args.file, "made_at": summary.made_at,
            "rows": summary.rows, "bytes": bytes,
        }));
    }
    let rows = output::count(summary.rows);
    Ok(output::line(&format!(
        "{shown} holds everything as it was at {}, {rows} rows, and opens with the passphrase only: \
         keep that elsewhere.",
        summary.made_at
    ))?)
}
