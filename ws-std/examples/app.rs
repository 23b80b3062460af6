//! Calls back when something happens, while a thread sends three messages and stops: what the
//! beginners' notes on Python's `WebSocketApp` show.
//!
//! ```text
//! cargo run --example echo_server                      # in one terminal
//! cargo run --example app -- ws://127.0.0.1:9001/
//! ```

use std::thread;
use std::time::Duration;

use ws_std::{App, AppError, Error};

fn main() -> Result<(), AppError> {
    let url = std::env::args().nth(1);
    App::new(url.as_deref().unwrap_or("ws://127.0.0.1:9001/"))
        .on_open(|app| {
            let app = app.clone();
            thread::spawn(move || {
                for at in 0..3 {
                    thread::sleep(Duration::from_millis(100));
                    if let Err(error) = app.send(&*format!("Hello {at}")) {
                        eprintln!("{error}");
                    }
                }
                thread::sleep(Duration::from_millis(100));
                println!("thread terminating...");
                app.stop();
            });
            Ok::<_, Error>(())
        })
        .on_message(|_app, message| {
            println!("{}", message.as_text().unwrap_or("(bytes)"));
            Ok::<_, Error>(())
        })
        .on_error(|_app, error| eprintln!("{error}"))
        .on_close(|_app, _close| println!("### closed ###"))
        .run()
}
