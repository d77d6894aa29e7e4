//! Real proxies: private instances of nginx and haproxy from the installed binaries, in a temporary
//! folder, on a port of an address that no other process has. They end with the test that started them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// A proxy that runs until this is dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    /// nginx with these directives in its one server.
    pub(crate) fn nginx(dir: &Path, server: &str) -> Self {
        let address = free_address();
        let folder = dir.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/nginx-{kind};"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr notice;
             events {{ worker_connections 64; }}
             http {{
                 access_log off; {temporary}
                 server {{ listen {address}; {server} }}
             }}"
        );
        let path = dir.join("nginx.conf");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(binary("nginx"));
        command.arg("-p").arg(dir).arg("-c").arg(&path).args(["-e", "stderr"]);
        Self::start(&command, address, dir)
    }

    /// haproxy in front of `server`, whom it tells where each request comes from.
    pub(crate) fn haproxy(dir: &Path, server: &str, source: &str) -> Self {
        let address = free_address();
        let config = format!(
            "defaults\n mode http\n timeout connect 10s\n timeout client 1m\n timeout server 1m\n\
             frontend front\n bind {address}\n option forwardfor\n default_backend back\n\
             backend back\n server one {server} source {source}\n"
        );
        let path = dir.join("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(binary("haproxy"));
        command.arg("-db").arg("-f").arg(&path);
        Self::start(&command, address, dir)
    }

    /// The kernel ends it with this thread, should the test be killed.
    fn start(proxy: &Command, address: SocketAddr, dir: &Path) -> Self {
        let log = dir.join(format!("proxy-{}", address.port()));
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(proxy.get_program()).args(proxy.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0);
        let mut child = command.spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let log = || std::fs::read_to_string(&log).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(Instant::now() < until, "it does not listen: {}", log());
            std::thread::yield_now();
        }
        Self { child, address }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Debian keeps these where only root's `PATH` leads.
fn binary(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed"))
}

/// A port that is free on a loopback address of this process: nobody else takes it meanwhile.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = [8, 0].map(|shift| (std::process::id() >> shift).to_le_bytes()[0]);
    let address = Ipv4Addr::new(127, high | 0x80, low, NEXT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}
