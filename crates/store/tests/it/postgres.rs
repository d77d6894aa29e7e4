//! A PostgreSQL of our own: started from the installed binaries on first use, in a temporary folder
//! with a Unix socket and no port, and stopped when the test process ends, however it ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Starts `postgres` on a copy of what `initdb` makes, and waits for the end of its standard input, which
/// this process holds: when the process ends, the guard stops the server by its process id and removes the
/// folder. `initdb` takes a second, and there is a server for each test: it runs once for each version of
/// PostgreSQL, and whoever comes first leaves what it made for the others. `$1`: folder of the binaries,
/// `$2`: our folder, `$3`: where the first one leaves it; what follows runs a command as a user that
/// PostgreSQL accepts, which root is not.
const GUARD: &str = r#"
trap '' INT
bin=$1 dir=$2 made=$3/postgres-$("$1/postgres" -V | tr -dc 0-9.)
shift 3
if ! cp -a "$made" "$dir/data" 2>/dev/null; then
    rm -rf "$dir/data"
    "$@" "$bin/initdb" --pgdata="$dir/data" --username=doorward --auth=trust --encoding=UTF8 --no-sync >&2 </dev/null || exit 1
    cp -a "$dir/data" "$made.$$" && mv -T "$made.$$" "$made" 2>/dev/null || rm -rf "$made.$$"
fi
"$@" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=300 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server"
wait "$server"
rm -rf "$dir"
"#;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Makes an empty database on the server that all tests share, and returns its URL.
pub(crate) async fn new_database() -> String {
    let folder = tokio::task::spawn_blocking(|| FOLDER.get_or_init(start)).await.unwrap();
    database_in(folder).await
}

async fn database_in(folder: &Path) -> String {
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut admin = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect(&url(folder, "postgres"))
        .await
        .unwrap();
    create(&mut admin, &name).await;
    admin.close().await;
    url(folder, &name)
}

/// A server that a test has to itself, to stop it.
#[derive(Debug)]
pub(crate) struct OwnServer {
    folder: PathBuf,
}

/// A server whose processes stand still until this is dropped.
#[derive(Debug)]
pub(crate) struct Stopped(Vec<String>);

impl OwnServer {
    pub(crate) async fn start() -> Self {
        Self { folder: tokio::task::spawn_blocking(start).await.unwrap() }
    }

    pub(crate) async fn new_database(&self) -> String {
        database_in(&self.folder).await
    }

    /// Stops every process of the server: connections stay open, and nothing answers.
    pub(crate) fn stop(&self) -> Stopped {
        let lines = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let postmaster = lines.lines().next().unwrap().trim().to_owned();
        signal("-STOP", std::slice::from_ref(&postmaster));
        let mut stopped = Stopped(vec![postmaster.clone()]);
        stopped.0.extend(children(&postmaster));
        signal("-STOP", &stopped.0);
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, processes: &[String]) {
    assert!(Command::new("kill").arg(signal).args(processes).status().unwrap().success());
}

fn children(parent: &str) -> Vec<String> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // The fields behind the name, which may hold anything: state, parent, and so on.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        if fields.split(' ').nth(1) == Some(parent) {
            children.push(entry.file_name().into_string().unwrap());
        }
    }
    children
}

async fn create(admin: &mut sqlx::PgPool, name: &str) {
    // The name is ours, and a statement of this kind takes no parameters.
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(sql).execute(&*admin).await.unwrap();
}

fn url(folder: &Path, database: &str) -> String {
    format!("postgres:///{database}?host={}&user=doorward", folder.display())
}

fn start() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("doorward-pg-").tempdir().unwrap().keep();
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "guard"]).arg(binaries()).arg(&folder);
    guard.arg(env!("CARGO_TARGET_TMPDIR"));
    if let Some(user) = unprivileged_user() {
        std::os::unix::fs::chown(&folder, Some(user), None).unwrap();
        guard.args(["setpriv", "--clear-groups", &format!("--reuid={user}")]);
    }
    let mut guard = guard
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell that starts PostgreSQL");
    wait_until_ready(guard.stderr.take().unwrap());
    // Its standard input stays open, and so the server up, for as long as this process lives.
    std::mem::forget(guard);
    folder
}

/// The user to run as: root must not, so it becomes `postgres`, or else `nobody`.
fn unprivileged_user() -> Option<u32> {
    let id = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    (id(&["-u"])? == 0).then(|| id(&["-u", "postgres"]).or_else(|| id(&["-u", "nobody"])))?
}

/// Debian keeps the binaries out of the path; elsewhere they are in it.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    #[expect(clippy::disallowed_methods, reason = "the harness looks for a program")]
    let path = std::env::var("PATH").unwrap_or_default();
    let all = debian.chain(std::env::split_paths(&path));
    let found = all.into_iter().find(|folder| folder.join("initdb").is_file());
    let found = found.expect("PostgreSQL is not installed: `apt-get install postgresql`");
    // A link in the path leads to a folder that has all of them.
    found.join("initdb").canonicalize().unwrap().parent().unwrap().to_owned()
}

/// Reads what the server says until it takes connections, then goes on reading, so that it never
/// waits for a full pipe.
fn wait_until_ready(stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("PostgreSQL did not start:\n{said}") };
        if line.contains("ready to accept connections") {
            break;
        }
        said.push_str(&line);
        said.push('\n');
    }
    std::thread::spawn(move || lines.for_each(drop));
}
