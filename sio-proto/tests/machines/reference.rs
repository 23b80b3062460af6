//! What socket.io-parser, the decoder of the reference, makes of packets, beside what ours does: those
//! of the table, and thousands that differ from them in a few bytes. Where the two differ, this file
//! says in which way, and nothing else may.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;
use serde_json::{Value, json};
use sio_proto::{Assembly, Attachment, Instant, Limits, Message, Packet, PacketError};
use ws_testkit::Random;

use crate::table::{givens, packet_and_attachments};

/// A text, and how many attachments of one byte follow it.
type Input = (String, usize);

fn inputs() -> Vec<Input> {
    let table: Vec<_> = (givens("socket_packets.txt").into_iter())
        .map(packet_and_attachments)
        .collect();
    let mut random = Random::new(5);
    let mut inputs = table.clone();
    for (text, attachments) in table {
        for _ in 0..50 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=random.below(2) {
                let at = random.below(bytes.len().max(1)).min(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] = b" -,/0129[]{}\"\\:tn?"[random.below(18)],
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b" -,/0129[]{}\"\\:tn?"[random.below(18)]),
                }
            }
            if let Ok(text) = String::from_utf8(bytes) {
                inputs.push((text, attachments));
            }
        }
    }
    inputs
}

/// Asks the reference about all of them.
fn theirs(inputs: &[Input]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = root.join("target/peers/node_modules/socket.io-parser");
    assert!(package.exists(), "run tests/peers/install.sh");
    let mut node = Command::new("node")
        .arg(root.join("tests/peers/socket_parser.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut to = node.stdin.take().expect("its input");
    let lines: Vec<_> = inputs
        .iter()
        .map(|(text, attachments)| {
            let mut messages = vec![json!(text)];
            messages.resize(1 + attachments, json!({"base64": "eA=="}));
            Value::from(messages).to_string()
        })
        .collect();
    let writing = thread::spawn(move || {
        for line in lines {
            writeln!(to, "{line}").expect("it reads");
        }
    });
    let from = BufReader::new(node.stdout.take().expect("its output"));
    // JavaScript has texts that are none, and serde_json does not read what it prints of them.
    let lines = from.lines().map(|line| line.expect("a line"));
    let answers = lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|_| json!(line)));
    let answers: Vec<_> = answers.collect();
    writing.join().expect("it read all");
    assert!(node.wait().expect("its end").success());
    assert_eq!(answers.len(), inputs.len());
    answers
}

/// What ours says, in the reference's words; `null` if the packet is not whole.
fn ours((text, attachments): &Input) -> Result<Value, PacketError> {
    let mut assembly = Assembly::new(&Limits::default());
    let mut messages = vec![Message::Text(text)];
    messages.resize(1 + attachments, Message::Binary(b"x"));
    let last = messages.pop().expect("one");
    for message in messages {
        if assembly.receive(message, Instant::default())?.is_some() {
            return Err(PacketError::UnexpectedBinary);
        }
    }
    let Some(packet) = assembly.receive(last, Instant::default())? else {
        return Ok(Value::Null);
    };
    let arguments = |args: &sio_proto::Args<'_>, name: Option<Value>| {
        let each = (0..args.len()).map(|index| value(args.json_at(index).expect("one"), args));
        Value::from_iter(name.into_iter().chain(each))
    };
    Ok(match packet {
        Packet::Connect {
            namespace, data, ..
        } => {
            let mut object = json!({"type": 0, "nsp": namespace});
            if let Some(data) = data {
                object["data"] = number(serde_json::from_str(data).unwrap_or_default());
            }
            object
        }
        Packet::Disconnect { namespace } => json!({"type": 1, "nsp": namespace}),
        Packet::Event {
            namespace,
            id,
            name,
            args,
        } => {
            json!({"type": 2, "nsp": namespace, "id": id, "data": arguments(&args, Some(json!(name)))})
        }
        Packet::Ack {
            namespace,
            id,
            args,
        } => {
            json!({"type": 3, "nsp": namespace, "id": id, "data": arguments(&args, None)})
        }
        Packet::ConnectError { namespace, data } => {
            let data = number(serde_json::from_str(data).unwrap_or_default());
            json!({"type": 4, "nsp": namespace, "data": data})
        }
    })
}

/// An argument with its attachments, as JavaScript prints it.
fn value(json: &str, args: &sio_proto::Args<'_>) -> Value {
    fn attached(value: Value, args: &sio_proto::Args<'_>) -> Value {
        let placeholder = Attachment::deserialize(&value).ok();
        match (placeholder.and_then(|found| args.attachment(found)), value) {
            (Some(bytes), _) => json!({"type": "Buffer", "data": bytes}),
            (None, Value::Array(values)) => {
                Value::from_iter(values.into_iter().map(|value| attached(value, args)))
            }
            (None, Value::Object(members)) => {
                let members = members.into_iter();
                Value::from_iter(members.map(|(key, value)| (key, attached(value, args))))
            }
            (None, value) => value,
        }
    }
    attached(serde_json::from_str(json).unwrap_or_default(), args)
}

/// All numbers as JavaScript has them.
fn number(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => Value::from_iter(values.into_iter().map(number)),
        Value::Object(members) => {
            Value::from_iter(members.into_iter().map(|(key, value)| (key, number(value))))
        }
        other => other,
    }
}

/// Why ours may say something else.
fn known(ours: &Result<Value, PacketError>, theirs: &Value, text: &str) -> Option<&'static str> {
    let refused = theirs.get("error").is_some();
    Some(match ours {
        // Stricter, and so is meant.
        Err(PacketError::Depth) => "deep JSON",
        Err(PacketError::Namespace) => "a control character in a namespace, or a long one",
        Err(PacketError::Id) => "an id that a number does not hold",
        Err(PacketError::Name) => "a long name, or one that is no text",
        Err(PacketError::AttachmentCount) => "a count that no encoder writes",
        Err(PacketError::TooManyAttachments { .. } | PacketError::Placeholder) if !refused => {
            "a limit, or a placeholder that no encoder writes"
        }
        Err(PacketError::UnknownType) if text.is_empty() => "nothing at all",
        _ if text.contains(char::is_whitespace) => "a blank in the place of an id",
        Err(PacketError::Payload) if !refused && theirs.get("data").is_none() => {
            "no payload at all"
        }
        _ if theirs.is_string() => "JSON that serde_json does not read",
        // A name of digits that is written there in another way.
        Ok(packet) if theirs["data"][0].is_number() && packet["type"] == 2 => "a number as a name",
        // JSON has numbers that JavaScript prints as null, or in another way, and texts that are none.
        Ok(_) if !refused && (text.contains("e400") || text.contains("\\u")) => {
            "numbers, surrogates"
        }
        Ok(Value::Null) if refused => "other limits",
        _ => return None,
    })
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn packets_are_what_the_reference_says_they_are() {
    let inputs = inputs();
    let (mut same, mut wrong) = (0, String::new());
    for (input, theirs) in inputs.iter().zip(theirs(&inputs)) {
        let ours = ours(input);
        let mut said = number(theirs.clone());
        if let Some(packet) = said.as_object_mut() {
            // Of a packet without an id; and what is only there while it is put together.
            if packet.get("type").and_then(Value::as_f64) >= Some(2.0)
                && packet.get("type").and_then(Value::as_f64) != Some(4.0)
            {
                packet.entry("id").or_insert(Value::Null);
            } else {
                packet.remove("id");
            }
            packet.remove("attachments");
            // The name of an event may be a number: ours is the text of its digits.
            if packet.get("type") == Some(&json!(2.0))
                && let Some(name) = packet.get_mut("data").and_then(|data| data.get_mut(0))
                && let Some(digits) = name.as_f64()
            {
                *name = json!(digits.to_string());
            }
            // The query is another matter here.
            if let Some(Value::String(namespace)) = packet.get_mut("nsp") {
                let len = namespace.find('?').unwrap_or(namespace.len());
                namespace.truncate(len);
            }
        }
        let agree = match &ours {
            Ok(packet) => number(packet.clone()) == said,
            Err(_) => theirs.get("error").is_some(),
        };
        if agree {
            same += 1;
        } else if known(&ours, &theirs, &input.0).is_none() {
            wrong += &format!("{input:?}\n    ours   {ours:?}\n    theirs {theirs}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(same > inputs.len() / 2, "most are the same");
}
