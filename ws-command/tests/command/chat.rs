//! The chat of `ws serve`, with clients in it.

use crate::common::{Served, closed, text};
use serde_json::{Value, json};
use ws_std::{CloseCode, ConnectError, WebSocket};

/// The next event, without its time, which has to be one.
fn event(ws: &mut WebSocket) -> Value {
    let mut event: Value = serde_json::from_str(&text(ws)).unwrap();
    let time = event.as_object_mut().unwrap().remove("time").unwrap();
    assert!(time.as_u64().unwrap() > 1_700_000_000_000, "{time}");
    event
}

/// Joins, and waits for it: the connection is there before its member is. Returns what it is
/// told first, too.
fn join(served: &Served, query: &str) -> (WebSocket, Value) {
    let mut ws = served.connect(&format!("/chat{query}"));
    let joined = event(&mut ws);
    assert_eq!(
        (&joined["type"], &joined["you"]),
        (&json!("joined"), &json!(true))
    );
    (ws, joined)
}

#[test]
fn three_in_a_room() {
    let served = Served::start(&[]);
    let (mut ada, joined) = join(&served, "?room=tea&name=Ada");
    let you = json!({"type": "joined", "name": "Ada", "members": ["Ada"], "you": true});
    assert_eq!(joined, you);
    let (mut bob, joined) = join(&served, "?room=tea&name=Bob");
    let you = json!({"type": "joined", "name": "Bob", "members": ["Ada", "Bob"], "you": true});
    assert_eq!(joined, you);
    let (mut second, joined) = join(&served, "?room=tea&name=Ada");
    let members = json!(["Ada", "Bob", "Ada-2"]);
    let you = json!({"type": "joined", "name": "Ada-2", "members": members, "you": true});
    assert_eq!(joined, you);
    // Another room is another talk.
    let (mut other, joined) = join(&served, "?room=pub&name=Ada");
    assert_eq!(joined["name"], "Ada");

    assert_eq!(event(&mut ada)["name"], "Bob");
    // Who else is there only the newcomer is told.
    let joined = json!({"type": "joined", "name": "Ada-2"});
    assert_eq!(event(&mut ada), joined);
    assert_eq!(event(&mut bob), joined);

    second.send("tea, <anyone>?\n\"yes\" \u{1F375}").unwrap();
    let line =
        json!({"type": "line", "name": "Ada-2", "text": "tea, <anyone>?\n\"yes\" \u{1F375}"});
    for member in [&mut ada, &mut bob, &mut second] {
        assert_eq!(event(member), line);
    }
    bob.close(CloseCode::NORMAL, "").unwrap();
    let left = json!({"type": "left", "name": "Bob"});
    for member in [&mut ada, &mut second] {
        assert_eq!(event(member), left);
    }
    other.send("nothing of that was heard here").unwrap();
    assert_eq!(event(&mut other)["type"], "line");
}

#[test]
fn everyone_sees_the_same_order() {
    let served = Served::start(&[]);
    let (mut first, _) = join(&served, "");
    let (mut second, _) = join(&served, "");
    event(&mut first);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut member, _) = join(&served, "?name=M");
                for number in 0..25 {
                    member.send(number.to_string().as_str()).unwrap();
                }
                member.close(CloseCode::NORMAL, "").unwrap();
            });
        }
    });
    // Of four members: joined, 25 lines, left.
    for _ in 0..4 * 27 {
        assert_eq!(event(&mut first), event(&mut second));
    }
}

#[test]
fn who_says_nothing_is_a_guest_in_the_lobby() {
    let served = Served::start(&[]);
    let (_first, joined) = join(&served, "");
    assert_eq!(joined["name"], "guest");
    let (_second, joined) = join(&served, "?name=&room=lobby");
    assert_eq!(joined["members"], json!(["guest", "guest-2"]));
    let (_third, joined) = join(&served, "?name=%C3%89va+L%26");
    assert_eq!(joined["members"], json!(["guest", "guest-2", "Éva L&"]));
}

#[test]
fn bad_names_are_refused() {
    let served = Served::start(&[]);
    let longest = "%C3%A9".repeat(64);
    let (_member, joined) = join(&served, &format!("?name={longest}&room={longest}"));
    assert_eq!(joined["name"], "é".repeat(64));
    for (query, wrong) in [
        (
            format!("name={longest}x"),
            "the name is longer than 64 characters\n",
        ),
        (
            format!("room={longest}x"),
            "the room is longer than 64 characters\n",
        ),
        (
            "name=a%0Ab".into(),
            "the name has a control character in it\n",
        ),
        (
            "room=%1B%5B31m".into(),
            "the room has a control character in it\n",
        ),
        (
            "name=%E2%80%AEadA".into(),
            "the name has a control character in it\n",
        ),
    ] {
        let refused = ws_std::connect(served.url(&format!("/chat?{query}")));
        let Err(ConnectError::Refused(answer)) = refused else {
            panic!("{query}: {refused:?}");
        };
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.body(), wrong.as_bytes(), "{query}");
    }
}

#[test]
fn a_line_is_text() {
    let served = Served::start(&[]);
    let (mut ada, _) = join(&served, "?name=Ada");
    let (mut bob, _) = join(&served, "?name=Bob");
    event(&mut ada);
    bob.send(b"binary").unwrap();
    bob.send("text behind it").unwrap();
    assert_eq!(closed(&mut bob), 1003);
    assert_eq!(event(&mut ada)["type"], "left");
}

/// One member reads nothing, while megabytes are said: the others get every line at once, and it
/// is shown out when too much waits for it.
#[test]
fn a_stalled_member_delays_nobody() {
    let served = Served::start(&[
        "--ping-interval=1",
        "--close-timeout=1",
        "--max-line=1MiB",
        "--max-lines=0",
    ]);
    let (mut ada, _) = join(&served, "?name=Ada");
    let (stalled, _) = join(&served, "?name=Stalled");
    event(&mut ada);
    let (mut bob, _) = join(&served, "?name=Bob");
    event(&mut ada);
    let line = "x".repeat(256 << 10);
    let mut said = 0;
    let mut gone = false;
    // Sockets hold a few megabytes by themselves.
    while !gone || said < 32 {
        assert!(said <= 256, "64 MiB, and still there");
        ada.send(line.as_str()).unwrap();
        said += 1;
        for member in [&mut ada, &mut bob] {
            loop {
                let event = event(member);
                if event["type"] == "line" {
                    assert_eq!(event["text"].as_str().map(str::len), Some(line.len()));
                    break;
                }
                assert_eq!(
                    (&event["type"], &event["name"]),
                    (&json!("left"), &json!("Stalled"))
                );
                gone = true;
            }
        }
        if said == 256 && !gone {
            // More than it can hold waits for it; now only its deadline has to pass.
            for member in [&mut ada, &mut bob] {
                assert_eq!(event(member)["name"], "Stalled");
            }
            gone = true;
        }
    }
    drop(stalled);
}

#[test]
fn a_line_has_a_longest() {
    let served = Served::start(&["--max-line", "10"]);
    let (mut ada, _) = join(&served, "?name=Ada");
    ada.send("0123456789").unwrap();
    assert_eq!(event(&mut ada)["text"], "0123456789");
    ada.send("0123456789x").unwrap();
    assert_eq!(closed(&mut ada), 1009);
    let served = Served::start(&[]);
    let (mut ada, _) = join(&served, "?name=Ada");
    ada.send(&*"x".repeat((64 << 10) + 1)).unwrap();
    assert_eq!(closed(&mut ada), 1009);
}

#[test]
fn who_says_too_much_is_closed_and_the_others_go_on() {
    let served = Served::start(&["--max-lines", "5"]);
    let (mut ada, _) = join(&served, "?name=Ada");
    let (mut bob, _) = join(&served, "?name=Bob");
    event(&mut ada);
    // However slowly the test goes on, it cannot earn a thousand lines.
    for _ in 0..1000 {
        if bob.send("and another thing").is_err() {
            break;
        }
    }
    assert_eq!(closed(&mut bob), 1008);
    let mut lines = 0;
    loop {
        let event = event(&mut ada);
        match event["type"].as_str() {
            Some("line") => lines += 1,
            other => break assert_eq!(other, Some("left"), "{event}"),
        }
    }
    assert!((10..1000).contains(&lines), "{lines}");
    ada.send("peace").unwrap();
    assert_eq!(event(&mut ada)["text"], "peace");
}

#[test]
fn a_room_has_so_many_members() {
    let served = Served::start(&["--max-members", "2"]);
    let (mut ada, _) = join(&served, "?room=tea&name=Ada");
    let (bob, _) = join(&served, "?room=tea&name=Bob");
    event(&mut ada);
    let mut eve = served.connect("/chat?room=tea&name=Eve");
    assert_eq!(closed(&mut eve), 1013);
    let _other = join(&served, "?room=pub&name=Eve");
    drop(bob);
    assert_eq!(event(&mut ada)["type"], "left");
    let (_eve, joined) = join(&served, "?room=tea&name=Eve");
    assert_eq!(joined["members"], json!(["Ada", "Eve"]));
}
