//! What is agreed on about compression: RFC 6455 §9.1 and RFC 7692 §7.1.

use std::collections::BTreeMap;

use ws_proto::Limits;
use ws_proto::handshake::{
    Compression, Direction, Extension, Extensions, InvalidExtensions, Key, Offer, Request,
    Response, ResponseError, Scan, Takeover, WindowBits,
};

/// What makes a request a handshake, and an answer to it one.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
const RESPONSE: &str = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A list of extensions is read as a naive reading has it; a server agrees to the first offer
/// that it can keep to, and says so in an answer that keeps to the offer; a client takes the
/// answers to what it offered, and no others; and two of ours agree on the same.
///
/// The input is a byte for what a server does at most, one for what a client does, and the lines
/// of the header.
///
/// # Panics
///
/// If not.
pub fn extensions(input: &[u8]) {
    let [ours, theirs, text @ ..] = input else {
        return;
    };
    let bounds = Compression {
        server: direction(*ours),
        client: direction(*theirs),
    };
    // In the other half of the byte.
    let other = Compression {
        server: direction(ours >> 4),
        client: direction(theirs >> 4),
    };
    if text.is_empty() {
        return agree_with_each_other(bounds, other);
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let (asked, answered) = (head(REQUEST, &lines), head(RESPONSE, &lines));
    let Ok(request) = Request::parse(&asked) else {
        assert!(text.iter().any(u8::is_ascii_control));
        return;
    };
    let naive = naive_list(&lines.join(&b','));
    assert_eq!(read(request.extensions()).ok(), naive);

    let agreed = bounds.agree(request.extensions());
    match &naive {
        None => assert_eq!(agreed, Err(InvalidExtensions)),
        Some(offers) => {
            let agreed = agreed.expect("the list is in order");
            let expected = offers
                .iter()
                .find_map(|offer| Some((offer, naive_answer(offer, bounds)?)));
            let compression = agreed.map(|agreed| agreed.compression());
            assert_eq!(compression, expected.map(|(_, answer)| answer));
            let mut out = [0; 1024];
            let accept = request.accept().expect("a handshake").compression(agreed);
            let len = accept.encode(&mut out).expect("room");
            let answer = Response::parse(&out[..len]).expect("ours");
            let mut values = answer.headers().get_all("Sec-WebSocket-Extensions");
            let (value, more) = (values.next(), values.next());
            assert!(more.is_none());
            assert_eq!(value.is_some(), expected.is_some());
            if let (Some(value), Some((offer, agreed))) = (value, expected) {
                keeps_to(&naive_list(value).expect("ours")[0], offer, agreed);
            }
        }
    }

    let response = Response::parse(&answered).expect("as the request");
    let offer = Offer::new("h", "/").expect("a good one");
    let offered = offer.compression(Some(bounds));
    let expected = match &naive {
        None => Err(ResponseError::InvalidExtensions),
        Some(answers) => match answers.as_slice() {
            [] => Ok(None),
            [answer] => naive_verdict(answer)
                .map(Some)
                .ok_or(ResponseError::UnofferedExtension),
            _ => Err(ResponseError::UnofferedExtension),
        },
    };
    let judged = offered.agreed(&response);
    // Of two that are wrong, which is told depends on which comes first.
    assert_eq!(judged.ok(), expected.ok());
    assert_eq!(offer.agreed(&response).is_ok(), naive == Some(Vec::new()));
    let key = Key::new(*b"the sample nonce");
    let verified = offered.verify(&key, &mut Scan::new(), &answered, &Limits::DEFAULT);
    assert_eq!(verified.map(|_| ()), judged.map(|_| ()));
}

/// A window and takeover, by the low four bits.
fn direction(byte: u8) -> Direction {
    Direction {
        window: WindowBits::new(8 + (byte & 7)).expect("8 to 15"),
        takeover: if byte & 8 == 0 {
            Takeover::Kept
        } else {
            Takeover::Off
        },
    }
}

fn head(start: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut head = Vec::with_capacity(1024);
    head.extend(start.as_bytes());
    for line in lines {
        head.extend(b"Sec-WebSocket-Extensions:");
        head.extend(*line);
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    head
}

/// An extension, with its parameters in order.
type Naive = (String, Vec<(String, Option<String>)>);

fn read(extensions: Extensions<'_>) -> Result<Vec<Naive>, InvalidExtensions> {
    let owned = |extension: Extension<'_>| {
        let params = extension.params().map(|(name, value)| {
            let value = value.map(|value| value.to_string());
            (name.to_owned(), value)
        });
        (extension.name().to_owned(), params.collect())
    };
    extensions.map(|extension| extension.map(owned)).collect()
}

/// A word of the list: a token, one that was in quotes, or a separator.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Token(String),
    Quoted(String),
    Separator(char),
}

/// All words, or `None` if something is none.
fn words(text: &str) -> Option<Vec<Word>> {
    // All of ASCII but controls, space and the separators of RFC 2616 §2.2.
    let is_token = |char: char| char.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(char);
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' => {}
            ',' | ';' | '=' => words.push(Word::Separator(char)),
            '"' => {
                let mut token = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => token.push(chars.next()?),
                        char => token.push(char),
                    }
                }
                if token.is_empty() || !token.chars().all(is_token) {
                    return None;
                }
                words.push(Word::Quoted(token));
            }
            char if is_token(char) => {
                let mut token = String::from(char);
                while let Some(char) = chars.next_if(|char| is_token(*char)) {
                    token.push(char);
                }
                words.push(Word::Token(token));
            }
            _ => return None,
        }
    }
    Some(words)
}

/// Several headers are one list (§9.1), in which something is listed.
fn naive_list(value: &[u8]) -> Option<Vec<Naive>> {
    let words = words(str::from_utf8(value).ok()?)?;
    let elements = words.split(|word| *word == Word::Separator(','));
    let list: Option<Vec<Naive>> = elements
        .filter(|element| !element.is_empty())
        .map(|element| {
            let mut parts = element.split(|word| *word == Word::Separator(';'));
            let [Word::Token(name)] = parts.next()? else {
                return None;
            };
            let params = parts.map(|part| match part {
                [Word::Token(name)] => Some((name.clone(), None)),
                [
                    Word::Token(name),
                    Word::Separator('='),
                    Word::Token(value) | Word::Quoted(value),
                ] => Some((name.clone(), Some(value.clone()))),
                _ => None,
            });
            Some((name.clone(), params.collect::<Option<_>>()?))
        })
        .collect();
    list.filter(|list| !list.is_empty())
}

/// The parameters of `permessage-deflate`, if they are such: a value for each that has one.
fn naive_params((name, params): &Naive) -> Option<BTreeMap<&str, Option<u8>>> {
    if name != "permessage-deflate" {
        return None;
    }
    let mut map = BTreeMap::new();
    for (name, value) in params {
        let bits = match value.as_deref() {
            None => None,
            Some(value) => Some((8..=15).find(|bits: &u8| bits.to_string() == value)?),
        };
        let fits = match name.as_str() {
            "server_no_context_takeover" | "client_no_context_takeover" => bits.is_none(),
            "server_max_window_bits" => bits.is_some(),
            "client_max_window_bits" => true,
            _ => false,
        };
        if !fits || map.insert(name.as_str(), bits).is_some() {
            return None;
        }
    }
    Some(map)
}

/// What a server within `bounds` does about an offer.
fn naive_answer(offer: &Naive, bounds: Compression) -> Option<Compression> {
    let params = naive_params(offer)?;
    let asked = params.get("server_max_window_bits").copied().flatten();
    // Our compressor keeps to no less than 9. What nobody asks for is not named.
    let server = match asked {
        Some(8) => return None,
        Some(asked) => asked.min(bounds.server.window.get().max(9)),
        None => 15,
    };
    let ours = bounds.client.window.get();
    let client = match params.get("client_max_window_bits") {
        None => 15,
        Some(None) => ours.max(9),
        Some(Some(bits)) => ours.min(*bits),
    };
    let asks = |name| params.contains_key(name);
    let off = bounds.client.takeover == Takeover::Off;
    Some(Compression {
        server: made(server, asks("server_no_context_takeover")),
        client: made(client, off || asks("client_no_context_takeover")),
    })
}

/// What a client makes of an answer: it has offered, first or last, to do without what it wants.
fn naive_verdict(answer: &Naive) -> Option<Compression> {
    let params = naive_params(answer)?;
    // "This parameter has a value" in an answer (§7.1.2.2).
    if params.get("client_max_window_bits") == Some(&None) {
        return None;
    }
    let window = |name| params.get(name).copied().flatten().unwrap_or(15);
    Some(Compression {
        server: made(
            window("server_max_window_bits"),
            params.contains_key("server_no_context_takeover"),
        ),
        client: made(
            window("client_max_window_bits"),
            params.contains_key("client_no_context_takeover"),
        ),
    })
}

fn made(bits: u8, off: bool) -> Direction {
    Direction {
        window: WindowBits::new(bits).expect("8 to 15"),
        takeover: if off { Takeover::Off } else { Takeover::Kept },
    }
}

/// An answer says what was agreed on, by the rules of §7.1 for what an answer may say.
fn keeps_to(answer: &Naive, offer: &Naive, agreed: Compression) {
    let offered = naive_params(offer).expect("it was accepted");
    let answered = naive_params(answer).expect("it is in order");
    let bits = |params: &BTreeMap<_, _>, name| params.get(name).copied().flatten();
    // What was asked of the server is granted by saying so.
    assert!(
        answered.contains_key("server_no_context_takeover")
            || !offered.contains_key("server_no_context_takeover")
    );
    if let Some(asked) = bits(&offered, "server_max_window_bits") {
        assert!(bits(&answered, "server_max_window_bits").is_some_and(|said| said <= asked));
    }
    if let Some(said) = answered.get("client_max_window_bits") {
        let asked = offered
            .get("client_max_window_bits")
            .expect("it may be said");
        assert!(said.expect("a value") <= asked.unwrap_or(15));
    }
    let window = |name| bits(&answered, name).unwrap_or(15);
    let says = Compression {
        server: made(
            window("server_max_window_bits"),
            answered.contains_key("server_no_context_takeover"),
        ),
        client: made(
            window("client_max_window_bits"),
            answered.contains_key("client_no_context_takeover"),
        ),
    };
    assert_eq!(says, agreed);
}

/// Our client and our server understand the same, and each keeps to what the other asks for.
fn agree_with_each_other(client: Compression, server: Compression) {
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("h", "/").expect("a good one");
    let offer = offer.compression(Some(client));
    let mut out = [0; 1024];
    let len = offer.encode(&key, &mut out).expect("room");
    let request = Request::parse(&out[..len]).expect("ours");
    let agreed = server.agree(request.extensions()).expect("in order");
    let accept = request.accept().expect("a handshake").compression(agreed);
    let mut answer = [0; 1024];
    let len = accept.encode(&mut answer).expect("room");
    let verified = offer.verify(&key, &mut Scan::new(), &answer[..len], &Limits::DEFAULT);
    let (response, _) = verified.expect("ours").expect("whole");
    let understood = offer.agreed(&response).expect("an answer to it");
    assert_eq!(understood, agreed.map(|agreed| agreed.compression()));
    let agreed = understood.expect("the offer of browsers at least");
    // A window of 256 bytes is beyond our compressor: the offer of browsers is what is agreed on then.
    if client.server.window == WindowBits::MIN {
        assert_eq!(agreed.server, Direction::FULL);
        return;
    }
    // Each end keeps to what the other asks for. A bound of 8 bits on a client is taken as 9.
    for (agreed, asked) in [
        (agreed.server, client.server),
        (agreed.client, server.client),
    ] {
        assert!(asked.takeover == Takeover::Kept || agreed.takeover == Takeover::Off);
        assert!(agreed.window.get() <= asked.window.get().max(9));
    }
}
