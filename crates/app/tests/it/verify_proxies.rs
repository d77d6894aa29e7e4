//! `/v1/auth/verify` behind proxies that are not ours.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Answer, Program, id_of};
use crate::proxies::Proxy;
use crate::raw::Wire;
use crate::upstream::{Script, Upstream};

/// From where the proxies ask.
const PROXY: &str = "127.0.0.2";
/// Clients.
const OFFICE: &str = "127.0.0.5";
const ELSEWHERE: &str = "127.0.0.6";

const SERVED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nserved";

fn start(dir: &Path) -> Program {
    Program::start_with(dir, &[], &[("DOORWARD__SERVER__TRUSTED_PROXIES", PROXY)])
}

fn place(program: &Program) -> &str {
    program.url.strip_prefix("http://").unwrap()
}

/// One request from an address of its own.
fn send(source: &str, target: SocketAddr, line: &str, headers: &[(&str, &str)]) -> Answer {
    let lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let mut wire = Wire::from(source, target);
    wire.send(format!("{line} HTTP/1.1\r\nhost: doorward\r\n{lines}\r\n"));
    wire.answer()
}

/// What the documentation tells an operator of nginx to write.
fn guarded_by(doorward: &str, service: SocketAddr) -> String {
    format!(
        "location / {{
             auth_request /verify;
             auth_request_set $key $upstream_http_x_doorward_key;
             auth_request_set $owner $upstream_http_x_doorward_owner;
             auth_request_set $project $upstream_http_x_doorward_project;
             auth_request_set $organization $upstream_http_x_doorward_organization;
             auth_request_set $scopes $upstream_http_x_doorward_scopes;
             auth_request_set $real_status $upstream_http_x_doorward_status;
             auth_request_set $retry_after $upstream_http_retry_after;
             error_page 403 = @refused;
             proxy_set_header X-Key $key;
             proxy_set_header X-Owner $owner;
             proxy_set_header X-Project $project;
             proxy_set_header X-Organization $organization;
             proxy_set_header X-Scopes $scopes;
             proxy_set_header Authorization \"\";
             proxy_pass http://{service};
         }}
         location @refused {{
             add_header Retry-After $retry_after always;
             if ($real_status = 429) {{ return 429; }}
             return 403;
         }}
         location = /verify {{
             internal;
             proxy_pass http://{doorward}/v1/auth/verify?deny=403&scope=inference:write;
             proxy_bind {PROXY};
             proxy_pass_request_body off;
             proxy_set_header Content-Length \"\";
             proxy_set_header X-Forwarded-For $remote_addr;
         }}"
    )
}

struct Guarded {
    program: Program,
    service: Upstream,
    nginx: Proxy,
}

impl Guarded {
    fn start(dir: &Path) -> Self {
        let (program, service) = (start(dir), Upstream::start(Script::Raw(SERVED.to_vec())));
        let nginx = Proxy::nginx(dir, &guarded_by(place(&program), service.address));
        Self { program, service, nginx }
    }

    fn ask(&self, source: &str, key: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-length", "0")];
        send(source, self.nginx.address, "POST /report?a=b", &headers)
    }

    fn served(&self) -> usize {
        self.service.seen().len()
    }
}

#[test]
fn nginx_lets_in_whom_doorward_lets_in_and_passes_on_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let house = Guarded::start(dir.path());
    let key = house.program.make_key(&json!({"name": "k"}));
    let answer = house.ask(OFFICE, &key);
    assert_eq!((answer.status, &*answer.body), (200, "served"));
    let seen = house.service.seen().remove(0).head.to_ascii_lowercase();
    let path = format!("/v1/api-keys/{}", id_of(&key));
    let object = house.program.ask("GET", &path, &house.program.admin_key(), None).json();
    let text = |field: &str| object[field].as_str().unwrap().to_ascii_lowercase();
    for line in [
        format!("x-key: {}", text("id")),
        format!("x-owner: {}", text("owner")),
        format!("x-project: {}", text("project")),
        format!("x-organization: {}", text("organization")),
        "x-scopes: inference:read inference:write".to_owned(),
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} / {seen}");
    }
    assert!(!seen.contains(&key.to_ascii_lowercase()), "{seen}");
}

#[test]
fn nginx_refuses_whom_doorward_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let house = Guarded::start(dir.path());
    let make = |name: &str, wish: Value| {
        let mut wish = wish;
        wish["name"] = name.into();
        house.program.make_key(&wish)
    };
    let reader = make("reader", json!({"scopes": ["inference:read"]}));
    let at_office = make("at the office", json!({"ip_allow": [OFFICE]}));
    let limited = make("limited", json!({"limits": {"requests_per_hour": 2}}));
    let revoked = make("revoked", json!({}));

    assert_eq!(house.ask(OFFICE, "nonsense").status, 401);
    assert_eq!(house.ask(OFFICE, "nonsense").header("www-authenticate"), "Bearer");
    assert_eq!(house.ask(OFFICE, &reader).status, 403);
    assert_eq!(house.ask(ELSEWHERE, &at_office).status, 403);
    assert_eq!(house.served(), 0);
    assert_eq!(house.ask(OFFICE, &at_office).status, 200);
    assert_eq!(house.ask(OFFICE, &revoked).status, 200);
    let path = format!("/v1/api-keys/{}", id_of(&revoked));
    assert_eq!(house.program.ask("DELETE", &path, &house.program.admin_key(), None).status, 204);
    assert_eq!(house.ask(OFFICE, &revoked).status, 401);
    let statuses = [(); 3].map(|()| house.ask(OFFICE, &limited).status);
    assert_eq!(statuses, [200, 200, 429]);
    let refused = house.ask(OFFICE, &limited);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
    assert_eq!(house.served(), 4);
}

/// Traefik's `forwardAuth` and Envoy's `ext_authz` ask so, by way of haproxy.
const FORWARDED: [(&str, &str); 3] = [
    ("x-forwarded-method", "DELETE"),
    ("x-forwarded-uri", "/some/where"),
    ("x-forwarded-proto", "https"),
];

#[test]
fn an_address_list_sees_the_client_of_a_trusted_proxy_and_of_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let program = start(dir.path());
    let haproxy = Proxy::haproxy(dir.path(), place(&program), PROXY);
    let direct: SocketAddr = place(&program).parse().unwrap();
    let allowed = program.make_key(&json!({"name": "allowed", "ip_allow": [OFFICE]}));
    let denied = program.make_key(&json!({"name": "denied", "ip_deny": [OFFICE]}));
    #[rustfmt::skip]
    let cases = [
        // by way of        from       who says to be     allowed  denied
        (haproxy.address,   OFFICE,    None,              200,     403),
        (haproxy.address,   ELSEWHERE, None,              403,     200),
        (haproxy.address,   ELSEWHERE, Some(OFFICE),      403,     200),
        (haproxy.address,   OFFICE,    Some(ELSEWHERE),   200,     403),
        (haproxy.address,   ELSEWHERE, Some("nonsense"),  403,     200),
        (direct,            OFFICE,    None,              200,     403),
        (direct,            ELSEWHERE, Some(OFFICE),      403,     200),
        (direct,            OFFICE,    Some(ELSEWHERE),   200,     403),
    ];
    for (way, source, forged, to_allowed, to_denied) in cases {
        for (key, expected) in [(&allowed, to_allowed), (&denied, to_denied)] {
            let bearer = format!("Bearer {key}");
            let mut headers = FORWARDED.to_vec();
            headers.push(("authorization", &bearer));
            headers.extend(forged.map(|address| ("x-forwarded-for", address)));
            for line in
                ["GET /v1/auth/verify", "PUT /v1/auth/verify/some/where?deny=1", "GET /v1/models"]
            {
                let answer = send(source, way, line, &headers);
                let case = format!("{way} {source} {forged:?} {line}: {}", answer.body);
                assert_eq!(answer.status, expected, "{case}");
                if expected == 403 {
                    assert!(answer.body.contains("ip_not_allowed"), "{case}");
                }
            }
        }
    }
}
