//! nginx before a server of ours, set up as its manual shows for WebSockets.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::until;

/// An nginx in one process, which ends with the test.
pub(crate) struct Nginx {
    /// Closes the connection of a client behind each answer, and reads a whole body before it
    /// passes the request on.
    pub(crate) closing: SocketAddr,
    /// Keeps the connection, and passes a body on as it comes.
    pub(crate) keeping: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts one before `ours`. It answers for `/admin` itself: nobody is to get there.
    pub(crate) fn before(ours: SocketAddr) -> Self {
        let [closing, keeping] = free_ports();
        let name = format!("nginx-{}", closing.port());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a directory for it");
        let locations = "
            location /admin { return 403; }
            location / {
                proxy_pass http://ours;
                proxy_http_version 1.1;
                proxy_set_header Host $http_host;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection upgrade;
            }";
        // A body that never comes is waited for a second, not a minute.
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr crit;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                client_header_timeout 1s; client_body_timeout 1s;
                upstream ours {{ server {ours}; keepalive 8; }}
                server {{ listen {closing}; keepalive_timeout 0; {locations} }}
                server {{
                    listen {keeping}; keepalive_timeout 1s; proxy_request_buffering off;
                    {locations}
                }}
            }}"
        );
        fs::write(folder.join("nginx.conf"), config).expect("room for a file");
        // Debian has it where only root looks.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let child = Command::new("nginx")
            .env("PATH", path)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("nginx: {error}; see tests/peers/install.sh"));
        let nginx = Self {
            closing,
            keeping,
            child,
            folder,
        };
        until("nginx listens", || TcpStream::connect(keeping).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ports that were free just now, for nginx takes no 0.
fn free_ports<const N: usize>() -> [SocketAddr; N] {
    let listeners: [_; N] = std::array::from_fn(|_| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port")
    });
    listeners.map(|listener| listener.local_addr().expect("it is bound"))
}
