//! Socket.IO: the tables of its packets, and of what servers and clients make of them.

use std::time::Duration;

use sio_proto::{
    Args, Assembly, Attachment, Encoded, Instant, Limits, Message, Packet, PacketError,
};

use crate::table::{hold, packet_and_attachments};

fn arguments(args: &Args<'_>) -> String {
    let each: Vec<_> = (0..args.len())
        .map(|at| args.json_at(at).expect("one"))
        .collect();
    format!("[{}]", each.join(","))
}

fn shown(packet: &Packet<'_>) -> String {
    let id = |id: &Option<u64>| id.map_or_else(|| "-".into(), |id| id.to_string());
    match packet {
        Packet::Connect {
            namespace,
            query,
            data,
        } => {
            let (query, data) = (query.unwrap_or("-"), data.unwrap_or("-"));
            format!("connect {namespace} {query} {data}")
        }
        Packet::Disconnect { namespace } => format!("disconnect {namespace}"),
        Packet::Event {
            namespace,
            id: number,
            name,
            args,
        } => format!(
            "event {namespace} {} {name} {}",
            id(number),
            arguments(args)
        ),
        Packet::Ack {
            namespace,
            id: number,
            args,
        } => format!("ack {namespace} {} {}", id(number), arguments(args)),
        Packet::ConnectError { namespace, data } => format!("error {namespace} {data}"),
    }
}

#[test]
fn packets_are_read_or_refused() {
    let mut limits = Limits::default();
    limits.max_attachments = 3;
    limits.max_packet = 100;
    let now = Instant::default();
    hold("socket_packets.txt", |case| {
        let (packet, attachments) = packet_and_attachments(case.given);
        let mut assembly = Assembly::new(&limits);
        let mut messages = vec![Message::Text(&packet)];
        messages.resize(1 + attachments, Message::Binary(b"x"));
        let last = messages.pop().expect("the text");
        for message in messages {
            match assembly.receive(message, now) {
                Ok(None) => {}
                Ok(Some(packet)) => return format!("early: {packet:?}"),
                Err(error) => return error.to_string(),
            }
        }
        match assembly.receive(last, now) {
            Ok(Some(packet)) => shown(&packet),
            Ok(None) => "not whole".into(),
            Err(error) => error.to_string(),
        }
    });
}

#[test]
fn nothing_comes_between_a_packet_and_its_attachments() {
    let now = Instant::default();
    let mut assembly = Assembly::new(&Limits::default());
    let lone = assembly.receive(Message::Binary(b"x"), now).unwrap_err();
    assert_eq!(lone, PacketError::UnexpectedBinary);

    let text = r#"52-["a"]"#;
    assert_eq!(assembly.receive(Message::Text(text), now), Ok(None));
    let between = assembly.receive(Message::Text("0"), now).unwrap_err();
    assert_eq!(between, PacketError::TextBetween);
}

#[test]
fn an_attachment_that_never_comes_is_given_up_after_the_last_one() {
    let at = |seconds| Instant::from_epoch(Duration::from_secs(seconds));
    let mut assembly = Assembly::new(&Limits::default());
    assert_eq!(assembly.deadline(), None);
    assert_eq!(
        assembly.receive(Message::Text(r#"53-["a"]"#), at(0)),
        Ok(None)
    );
    assert_eq!(assembly.deadline(), Some(at(30)));
    assert_eq!(assembly.receive(Message::Binary(b""), at(20)), Ok(None));
    assert_eq!(assembly.receive(Message::Binary(b""), at(40)), Ok(None));
    assert_eq!(assembly.check(at(69)), Ok(()));
    assert_eq!(assembly.check(at(70)), Err(PacketError::TooSlow));
    assert!(
        assembly
            .receive(Message::Binary(b""), at(70))
            .unwrap()
            .is_some()
    );
    assert_eq!(assembly.deadline(), None);
    assert_eq!(assembly.check(at(1000)), Ok(()));
}

#[test]
fn what_is_encoded_is_what_was_meant() {
    let mut said = Encoded::event("said").unwrap();
    let picture = said.attach(vec![7; 3]);
    let said = said.arg(&("Ann", picture)).unwrap().bytes(vec![8]);
    let (text, attachments) = said.packet("/chat", Some(3));
    let expected = concat!(
        r#"52-/chat,3["said",["Ann",{"_placeholder":true,"num":0}],"#,
        r#"{"_placeholder":true,"num":1}]"#
    );
    assert_eq!(text, expected);
    let packet = Packet::decode(&text, attachments).unwrap();
    let Packet::Event { args, .. } = packet else {
        panic!("{packet:?}");
    };
    let ((who, first), second): ((&str, Attachment), Attachment) = args.all().unwrap();
    assert_eq!(who, "Ann");
    assert_eq!(args.attachment(first), Some(&[7; 3][..]));
    assert_eq!(args.attachment(second), Some(&[8][..]));

    // Passed on, it is the same.
    let relayed = Encoded::relay("said", &args).unwrap();
    assert_eq!(relayed, said);
}

#[test]
fn an_argument_that_json_cannot_hold_leaves_nothing_behind() {
    let keys = std::collections::BTreeMap::from([(vec![1], 1)]);
    Encoded::ack().arg(&keys).unwrap_err();
    let long = "x".repeat(Packet::MAX_NAME + 1);
    for (name, error) in [
        ("disconnect", PacketError::ReservedName),
        (&long, PacketError::Name),
    ] {
        assert_eq!(Encoded::event(name).unwrap_err(), error);
    }
}

#[test]
fn an_argument_of_another_type_fails_alone() {
    let text = r#"2["n",1e400,"\ud800",{"_placeholder":false,"num":0},3]"#;
    let packet = Packet::decode(text, &[]).unwrap();
    let Packet::Event { args, .. } = packet else {
        panic!("{packet:?}");
    };
    args.at::<f64>(0).unwrap_err();
    args.at::<String>(1).unwrap_err();
    args.at::<Attachment>(2).unwrap_err();
    assert_eq!(args.at::<u8>(3).unwrap(), 3);
    args.at::<u8>(4).unwrap_err();
    assert_eq!(args.at::<Option<u8>>(4).unwrap(), None);
    assert_eq!(args.at::<()>(4).unwrap(), ());
    assert_eq!(args.json_at(4), None);
    assert_eq!(args.json_at(0), Some("1e400"));
}

#[test]
fn arguments_are_as_many_as_are_asked_for() {
    let packet = Packet::decode(r#"31[1,"b",[3]]"#, &[]).unwrap();
    let Packet::Ack { args, .. } = packet else {
        panic!("{packet:?}");
    };
    assert_eq!(args.all::<(u8, String)>().unwrap(), (1, "b".into()));
    assert_eq!(args.all::<(u8, &str, [u8; 1])>().unwrap(), (1, "b", [3]));
    args.all::<(u8, &str, [u8; 1], u8)>().unwrap_err();
    args.all::<Vec<u8>>().unwrap_err();
}

#[test]
fn no_payload_is_shown_for_debugging() {
    let attachments = [b"secret".to_vec()];
    let texts = [
        (r#"0{"token":"secret"}"#, &attachments[..0]),
        (r#"2["name","secret"]"#, &[]),
        (r#"31["secret"]"#, &[]),
        (r#"4"secret""#, &[]),
        (
            r#"51-["name",{"_placeholder":true,"num":0},"secret"]"#,
            &attachments,
        ),
    ];
    for (text, attachments) in texts {
        let packet = Packet::decode(text, attachments).unwrap();
        let header = sio_proto::Header::decode(text).unwrap();
        let shown = format!("{packet:?} {header:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }
    let encoded = Encoded::event("name").unwrap().arg("secret").unwrap();
    assert!(!format!("{encoded:?}").contains("secret"));
}
