//! Wiring: the store, the data plane, the control plane and the listener become one program; how
//! it stops.

mod signals;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doorward_control::notices::{NoticeOptions, Notifier};
use doorward_control::{Control, jobs};
use doorward_gateway::listen::Listener;
use doorward_gateway::{Gateway, GatewayOptions, SpanQueue};
use doorward_portal::Portal;
use doorward_store::{Clock, KeyCaps, Options, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_key::{self, AdminKey, AdminKeyState, renewal};
use crate::client::ENDPOINT_FILE;
use crate::config::{Config, Data, Jobs, Server, Transport};
use crate::faces::{self, Faces};
use crate::telemetry::Exporter;
use crate::welcome::Entrance;
use crate::{output, private_file, provider_agent, tls};

use signals::Signals;

/// The status of a program that a second signal ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// `doorward serve`: serves until it is told to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let prepared = Prepared::open(config).await?;
    match prepared.first_start().await {
        Ok((admin_key, entrance)) => say_where(&admin_key, &entrance),
        Err(error) => {
            prepared.close().await;
            return Err(error);
        }
    }
    prepared.serve().await
}

fn say_where(admin_key: &AdminKey, entrance: &Entrance) {
    let path = admin_key.path.display();
    match admin_key.state {
        AdminKeyState::Kept => {}
        AdminKeyState::Made => output::note(&format!("The administrator's key is in {path}.")),
        AdminKeyState::Replaced => output::note(&format!(
            "The administrator's key was gone or no longer worked: a new one is in {path}."
        )),
        AdminKeyState::Renewed => output::note(&format!(
            "Less than half of the life of the administrator's key was left: a new one is in {path}. \
             The old one works until its end."
        )),
    }
    let url = entrance.url();
    match entrance {
        Entrance::Link(_) => {
            output::note(&format!("Open this link once, to choose how you sign in: {url}"));
        }
        Entrance::WithKey(_) => {
            output::note(&format!("Nobody can sign in yet. Open {url}, with the key in {path}."));
        }
        Entrance::SignIn(_) => {}
    }
}

/// Everything that can fail at the start has succeeded: the address is bound, the store is open.
/// Clients may connect already; they are answered once [`serve`](Self::serve) runs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) store: Arc<Store>,
    pub(crate) data_dir: PathBuf,
    /// Where clients on this machine reach us: `http://127.0.0.1:8440`.
    pub(crate) endpoint: String,
    pub(crate) is_self_signed: bool,
    gateway: Arc<Gateway>,
    faces: Arc<Faces>,
    control: Control,
    listener: Listener,
    drain: Duration,
    sweep_every: Duration,
    notifier: Arc<Notifier>,
    /// Where spans are recorded.
    exporter: Option<Exporter>,
    shutdown: CancellationToken,
    signals: Signals,
}

impl Prepared {
    /// Opens the store and binds the address. From here on, a signal to stop is one to stop in
    /// order, and the command line finds the server.
    pub(crate) async fn open(config: Config) -> anyhow::Result<Self> {
        let Config { server, data, keys, jobs, mut gateway, notices, collector, log: _ } = config;
        let Jobs { sweep_every } = jobs;
        let data_dir = data.dir.clone();
        let allow_private_webhooks = notices.allow_private_webhooks;
        let can_mail = notices.mail.is_some();
        let notices = NoticeOptions { public_url: server.public_url.clone(), ..notices };
        let shutdown = CancellationToken::new();
        let store = Store::open(options(data, keys)).await?;
        let agent = provider_agent::new(&gateway.upstream_roots);
        let exporter = collector.map(|collector| {
            let (queue, spans) = SpanQueue::new();
            gateway.spans = Some(Arc::clone(&queue));
            Exporter::start(collector, queue, spans)
        });
        let spans = gateway.spans.clone();
        let made = parts(&server, gateway, &data_dir, &store)
            .and_then(|parts| Ok((parts, notifier(&store, notices, &shutdown)?)));
        let ((listener, gateway, signals), notifier) = match made {
            Ok(made) => made,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let control = Control::new(Arc::clone(&store), agent)
            .allowing_private_webhooks(allow_private_webhooks)
            .with_mail(can_mail)
            .with_links_to(server.public_url.as_deref());
        let endpoint = endpoint(listener.local_addr()?, &server.transport);
        store.set_public_url(server.public_url.unwrap_or_else(|| endpoint.clone()));
        let faces = Faces {
            control: pages(&store, control.clone(), Arc::clone(&gateway)),
            gateway: Arc::clone(&gateway),
            store: Arc::clone(&store),
            listener: listener.stats(),
            trusted_proxies: server.trusted_proxies,
            metrics_from: server.metrics_from,
            spans,
            tasks: TaskTracker::new(),
        };
        let prepared = Self {
            store,
            data_dir,
            endpoint,
            is_self_signed: server.transport == Transport::SelfSigned,
            gateway,
            faces: Arc::new(faces),
            control,
            listener,
            drain: server.drain,
            sweep_every,
            notifier,
            exporter,
            shutdown,
            signals,
        };
        prepared.leave_endpoint()?;
        Ok(prepared)
    }

    /// Tells the command line where we are.
    fn leave_endpoint(&self) -> anyhow::Result<()> {
        let path = self.data_dir.join(ENDPOINT_FILE);
        private_file::write(&path, format!("{}\n", self.endpoint).as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Makes the first organization and administrator where there are none.
    async fn first_start(&self) -> anyhow::Result<(AdminKey, Entrance)> {
        let (made, is_first_run) = self.store.bootstrap().await?;
        let key = admin_key::ensure(&self.store, &made, is_first_run, &self.data_dir).await?;
        Ok((key, Entrance::open_for_terminal(&self.store, &made).await?))
    }

    /// Gives up before serving.
    pub(crate) async fn close(self) {
        self.store.close().await;
        remove(&self.data_dir.join(ENDPOINT_FILE));
    }

    /// Serves until a signal comes, lets running calls finish, writes everything down.
    pub(crate) async fn serve(self) -> anyhow::Result<()> {
        let Self {
            store,
            data_dir,
            endpoint,
            gateway,
            faces,
            control,
            listener,
            drain,
            sweep_every,
            notifier,
            exporter,
            shutdown,
            mut signals,
            ..
        } = self;
        tracing::info!(endpoint, version = env!("CARGO_PKG_VERSION"), "serving");
        let management = faces.tasks.clone();
        // Waited for at the end like the requests: they write to the store.
        management.spawn(renewal::run(Arc::clone(&store), data_dir.clone(), shutdown.clone()));
        management.spawn(jobs::sweep(Arc::clone(&store), sweep_every, shutdown.clone()));
        management.spawn(notifier.run());
        let service = move |request, peer| Arc::clone(&faces).answer(request, peer);
        let serving = listener.serve(service, gateway.call_ids(), shutdown.clone(), drain);
        let stopping = async {
            signals.next().await.announce(gateway.calls_in_flight(), drain);
            shutdown.cancel();
            signals.next().await;
            tracing::warn!("stopping at once");
            std::process::exit(INTERRUPTED);
        };
        let ending = async {
            serving.await;
            management.close();
            management.wait().await;
            control.finish().await;
            gateway.drain().await;
            if let Some(exporter) = exporter {
                exporter.finish().await;
            }
            store.close().await;
            remove(&data_dir.join(ENDPOINT_FILE));
        };
        // The second signal is answered until all is written down, whatever is waited for.
        tokio::select! {
            () = ending => {}
            () = stopping => {}
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What needs the open store and can fail.
fn parts(
    server: &Server,
    gateway: GatewayOptions,
    data_dir: &Path,
    store: &Arc<Store>,
) -> anyhow::Result<(Listener, Arc<Gateway>, Signals)> {
    let listener = bind(server, data_dir, store)?;
    Ok((listener, Gateway::new(Arc::clone(store), gateway)?, Signals::listen()?))
}

fn notifier(
    store: &Arc<Store>,
    options: NoticeOptions,
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<Notifier>> {
    Ok(Notifier::new(Arc::clone(store), options, shutdown.clone())?)
}

fn bind(server: &Server, data_dir: &Path, store: &Store) -> anyhow::Result<Listener> {
    let address = server.listen;
    let now = store.clock().now();
    let tls = tls::server_config(&server.transport, data_dir, address.ip(), now)?;
    if server.transport == Transport::Plain && !address.ip().is_loopback() {
        tracing::warn!(%address, "plain HTTP: keys and prompts cross the network readable");
    }
    Listener::bind(address, tls, server.limits.clone()).map_err(|error| {
        let words = unbound_words(address, error.kind());
        anyhow::Error::new(error).context(words)
    })
}

fn unbound_words(address: SocketAddr, why: ErrorKind) -> String {
    let hint = if why == ErrorKind::AddrInUse {
        let other = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(1024));
        format!(": another program has that port; name another one, as --listen {other}")
    } else if why == ErrorKind::AddrNotAvailable {
        "; --listen needs an address of this machine".to_owned()
    } else if why == ErrorKind::PermissionDenied {
        "; --listen needs a port that this user may use, from 1024 on".to_owned()
    } else {
        String::new()
    };
    format!("cannot listen on {address}{hint}")
}

fn options(data: Data, key_caps: KeyCaps) -> Options {
    Options {
        data_dir: data.dir,
        database_url: data.database_url,
        master_key: data.master_key,
        clock: Clock::system(),
        time_zone: data.time_zone,
        journal_sync: data.journal_sync,
        call_keys_max: data.call_keys_max,
        key_caps,
    }
}

/// The portal in front of the management API.
fn pages(store: &Arc<Store>, control: Control, gateway: Arc<Gateway>) -> axum::Router {
    let url = store.public_url().unwrap_or_default();
    let clock = Arc::clone(store);
    let api = doorward_control::router(control);
    let portal = Portal::new(api, &format!("{url}/v1"), move || clock.clock().now());
    doorward_portal::router(portal.with_calls(faces::calls(gateway)))
}

/// How a client on this machine names us.
fn endpoint(address: SocketAddr, transport: &Transport) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let scheme = if *transport == Transport::Plain { "http" } else { "https" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// A stopped server is not left for the command line to find.
fn remove(endpoint_file: &Path) {
    if let Err(error) = std::fs::remove_file(endpoint_file) {
        tracing::warn!(%error, "cannot remove {}", endpoint_file.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_one_that_a_client_here_can_reach() {
        #[rustfmt::skip]
        let cases = [
            ("127.0.0.1:8440", Transport::Plain,      "http://127.0.0.1:8440"),
            ("0.0.0.0:8443",   Transport::SelfSigned, "https://127.0.0.1:8443"),
            ("[::]:8443",      Transport::SelfSigned, "https://[::1]:8443"),
            ("192.0.2.1:1",    Transport::Plain,      "http://192.0.2.1:1"),
        ];
        for (address, transport, expected) in cases {
            assert_eq!(endpoint(address.parse().unwrap(), &transport), expected);
        }
    }
}
