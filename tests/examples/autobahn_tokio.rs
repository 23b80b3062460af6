//! ws-tokio for the Autobahn testsuite, in both roles.
//!
//! usage: autobahn_tokio serve | connect ws://HOST:PORT
//!
//! `WS_ADAPTER=tokio tests/autobahn.sh all` runs it, and judges by the testsuite's report: how a case
//! ends is printed here, and fails nothing.

use std::error::Error;
use std::process::ExitCode;

use ws_tokio::{Client, Deflate, Direction, Limits, Server, Transport, WebSocket};

/// What the testsuite calls us in its report.
const AGENT: &str = "ws-tokio";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match args[..] {
        ["serve"] => serve().await,
        ["connect", base] => connect(base.trim_end_matches('/')).await,
        _ => {
            eprintln!("usage: autobahn_tokio serve | connect ws://HOST:PORT");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_tokio: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Section 9 has messages of 16 MiB, and of 4 MiB in fragments of 64 bytes.
fn limits() -> Limits {
    let mut limits = Limits::DEFAULT;
    limits.max_message = 64 << 20;
    limits.max_fragments = 1 << 17;
    limits
}

/// With the widest window, which is kept from message to message.
fn deflate() -> Deflate {
    let mut deflate = Deflate::default();
    deflate.send = Direction::FULL;
    deflate
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0").await?;
    let server = server.limits(limits()).deflate(deflate());
    println!("listening on ws://{}", server.local_addr());
    server
        .websocket("/echo", |mut ws, _| async move {
            while let Some((message, mut reply)) = ws.recv_reply().await? {
                reply.queue(message)?;
            }
            Ok::<_, ws_tokio::Error>(())
        })
        .run()
        .await?;
    Ok(())
}

async fn connect(base: &str) -> Result<(), Box<dyn Error>> {
    let count: u32 = open(&format!("{base}/getCaseCount"))
        .await?
        .recv()
        .await?
        .and_then(|count| count.as_text()?.parse().ok())
        .ok_or("the server did not say how many cases there are")?;
    for case in 1..=count {
        match echo(&format!("{base}/runCase?case={case}&agent={AGENT}")).await {
            Ok(()) => println!("{case}: closed"),
            Err(error) => println!("{case}: {error}"),
        }
    }
    // The report is written before the server closes.
    let mut report = open(&format!("{base}/updateReports?agent={AGENT}")).await?;
    while report.recv().await?.is_some() {}
    Ok(())
}

async fn echo(url: &str) -> Result<(), Box<dyn Error>> {
    let mut ws = open(url).await?;
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

async fn open(url: &str) -> Result<WebSocket<Transport>, Box<dyn Error>> {
    let client = Client::new(url).limits(limits()).deflate(deflate());
    Ok(client.connect().await?)
}
