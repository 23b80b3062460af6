//! The client's identity: Basic (RFC 7617) and Bearer (RFC 6750) credentials.
//!
//! Comparing a secret takes a time that depends on the length of what was sent, not on how much of
//! it is right.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use percent_encoding::percent_decode_str;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::refusal::Refusal;
use crate::request::{Request, only};

/// A user and a password, as they can be sent. `Debug` shows neither.
///
/// ```
/// use ws_http::Credentials;
///
/// let aladdin = Credentials::new("Aladdin", "open sesame")?;
/// assert_eq!(aladdin.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// # Ok::<(), ws_http::InvalidCredentials>(())
/// ```
#[derive(Clone, Eq)]
pub struct Credentials {
    /// `user:password`
    text: String,
    /// Where the colon is.
    colon: usize,
}

impl Credentials {
    /// The most bytes of a user, and of a password: as many as SOCKS5 has room for (RFC 1929).
    pub const MAX_LEN: usize = 255;

    /// Takes a user and a password.
    ///
    /// # Errors
    ///
    /// The user has a colon, or either has a control character or more than
    /// [`MAX_LEN`](Self::MAX_LEN) bytes.
    pub fn new(user: &str, password: &str) -> Result<Self, InvalidCredentials> {
        let fits = |text: &str| text.len() <= Self::MAX_LEN && !text.chars().any(char::is_control);
        if user.contains(':') || !fits(user) || !fits(password) {
            return Err(InvalidCredentials);
        }
        let (text, colon) = (format!("{user}:{password}"), user.len());
        Ok(Self { text, colon })
    }

    /// Takes `user[:password]` as a URL has it.
    pub(crate) fn percent_decoded(text: &str) -> Result<Self, InvalidCredentials> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decoded = |text| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map_err(|_| InvalidCredentials)
        };
        Self::new(&decoded(user)?, &decoded(password)?)
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// The value of Authorization, or of Proxy-Authorization.
    #[must_use]
    pub fn basic(&self) -> HeaderValue {
        sensitive(&format!("Basic {}", STANDARD.encode(&self.text)))
    }
}

/// In a time that does not depend on the first of the two, nor on how much of it is the same.
impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        // No user has a colon: where the texts are the same, so are their colons.
        is_same(self.text.as_bytes(), other.text.as_bytes()).into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A user, a password or a token that cannot be sent as credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "credentials have no control characters, at most 255 bytes each, no colon in the user, and \
     tokens are of letters, digits and -._~+/="
)]
pub struct InvalidCredentials;

/// Admits clients that know a user's password.
///
/// ```
/// use ws_http::{Basic, Credentials, Request};
///
/// let basic = Basic::new([Credentials::new("li", "s3cret")?]);
/// let hook = move |request: &Request| match basic.check(request) {
///     Ok(user) => println!("it is {user}"),
///     Err(refusal) => println!("{refusal}: {}", refusal.status()), // 401
/// };
/// # let _ = hook;
/// # Ok::<(), ws_http::InvalidCredentials>(())
/// ```
#[derive(Clone, Debug)]
pub struct Basic(Vec<Credentials>);

impl Basic {
    /// Admits these users.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = Credentials>) -> Self {
        Self(users.into_iter().collect())
    }

    /// Returns the user whose credentials a request has.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthorized`]: the credentials are wrong, missing, or sent twice.
    pub fn check(&self, request: &Request) -> Result<&str, Refusal> {
        let given = of_scheme(request, "Basic").and_then(|text| STANDARD.decode(text).ok());
        let secrets = self.0.iter().map(|own| own.text.as_bytes());
        find(secrets, given.as_deref())
            .and_then(|at| self.0.get(at))
            .map(Credentials::user)
            .ok_or(Refusal::Unauthorized {
                challenge: HeaderValue::from_static(
                    "Basic realm=\"this server\", charset=\"UTF-8\"",
                ),
            })
    }
}

/// Admits clients that have one of its tokens.
///
/// ```
/// use ws_http::Bearer;
///
/// let bearer = Bearer::new(["mF_9.B5f-4.1JqM"])?;
/// assert!(Bearer::new(["not a token"]).is_err());
/// # drop(bearer);
/// # Ok::<(), ws_http::InvalidCredentials>(())
/// ```
#[derive(Clone)]
pub struct Bearer(Vec<String>);

impl Bearer {
    /// Admits clients that have one of these tokens.
    ///
    /// # Errors
    ///
    /// One of them is not a token that a header can hold.
    pub fn new<S: Into<String>>(
        tokens: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidCredentials> {
        let check = |token: String| {
            is_token68(&token)
                .then_some(token)
                .ok_or(InvalidCredentials)
        };
        let tokens: Result<_, _> = tokens.into_iter().map(Into::into).map(check).collect();
        Ok(Self(tokens?))
    }

    /// Returns which token a request has, as its index in the list.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthorized`]: the token is unknown, missing, or sent twice.
    pub fn check(&self, request: &Request) -> Result<usize, Refusal> {
        let given = of_scheme(request, "Bearer").map(str::as_bytes);
        let secrets = self.0.iter().map(String::as_bytes);
        find(secrets, given).ok_or(Refusal::Unauthorized {
            challenge: HeaderValue::from_static("Bearer"),
        })
    }

    /// The value of Authorization for a client's token.
    ///
    /// # Errors
    ///
    /// It is not a token that a header can hold.
    pub fn header(token: &str) -> Result<HeaderValue, InvalidCredentials> {
        let valid = is_token68(token).then_some(()).ok_or(InvalidCredentials);
        valid.map(|()| sensitive(&format!("Bearer {token}")))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({} tokens)", self.0.len())
    }
}

/// What a request has of a scheme, whose name is in any case (RFC 9110 §11.1).
fn of_scheme<'r>(request: &'r Request, scheme: &str) -> Option<&'r str> {
    let (own, rest) = only(request.headers(), &header::AUTHORIZATION)?.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    own.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Looks at every secret, also when one was it.
fn find<'s>(secrets: impl Iterator<Item = &'s [u8]>, given: Option<&[u8]>) -> Option<usize> {
    let given = given?;
    secrets.enumerate().fold(None, |found, (at, secret)| {
        match bool::from(is_same(secret, given)) {
            true => Some(at),
            false => found,
        }
    })
}

/// Takes as long as `given` is, whatever the secret and its length are.
fn is_same(secret: &[u8], given: &[u8]) -> Choice {
    let len = |bytes: &[u8]| bytes.len() as u64;
    let same_len = len(secret).ct_eq(&len(given));
    let secret = secret.iter().cycle();
    (given.iter().zip(secret)).fold(same_len, |same, (a, b)| same & a.ct_eq(b))
}

/// (RFC 9110 §11.2)
fn is_token68(text: &str) -> bool {
    let rest = text.trim_end_matches('=');
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !rest.is_empty() && rest.bytes().all(is_byte)
}

/// A value that nobody shows. Nothing that is given breaks a line.
fn sensitive(text: &str) -> HeaderValue {
    let mut value =
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    fn with(headers: &str) -> Request {
        request(&format!("GET / HTTP/1.1\nHost: h{headers}"))
    }

    #[test]
    fn only_the_right_credentials_are_let_in() {
        let user = |user, password| Credentials::new(user, password).unwrap();
        let basic = Basic::new([
            user("Aladdin", "open sesame"),
            user("li", ""),
            user("", "x:y"),
        ]);
        let bearer = Bearer::new(["first", "mF_9.B5f-4.1JqM", "abc="]).unwrap();
        let code = |text: &str| STANDARD.encode(text);
        // (Authorization, whom Basic finds, which token Bearer finds)
        let table = [
            (String::new(), None, None),
            (
                format!("Basic {}", code("Aladdin:open sesame")),
                Some("Aladdin"),
                None,
            ),
            (
                format!("bASIC   {}", code("Aladdin:open sesame")),
                Some("Aladdin"),
                None,
            ),
            (format!("Basic {}", code("li:")), Some("li"), None),
            (format!("Basic {}", code(":x:y")), Some(""), None),
            (format!("Basic {}", code("Aladdin:open sesam")), None, None),
            (format!("Basic {}", code("Aladdin:open sesamf")), None, None),
            (
                format!("Basic {}", code("Aladdin:open sesame!")),
                None,
                None,
            ),
            (
                format!("Basic {}", code("Aladdin:open sesameAladdin:open sesame")),
                None,
                None,
            ),
            (format!("Basic {}", code("aladdin:open sesame")), None, None),
            (format!("Basic {}", code("li")), None, None),
            (format!("Basic {}", code("li:li:")), None, None),
            (format!("Basic {}", code("")), None, None),
            (format!("Basic {}x", code("li:")), None, None),
            ("Basic".into(), None, None),
            ("Basic ".into(), None, None),
            ("Basic li:".into(), None, None),
            ("Bearer mF_9.B5f-4.1JqM".into(), None, Some(1)),
            ("bearer first".into(), None, Some(0)),
            ("Bearer abc=".into(), None, Some(2)),
            ("Bearer abc".into(), None, None),
            ("Bearer firs".into(), None, None),
            ("Bearer firstfirst".into(), None, None),
            ("Bearer first, x".into(), None, None),
            ("Bearer".into(), None, None),
            ("Token first".into(), None, None),
            ("first".into(), None, None),
            (
                "Bearer first\nAuthorization: Bearer first".into(),
                None,
                None,
            ),
        ];
        for (value, user, token) in table {
            let line = match &*value {
                "" => String::new(),
                value => format!("\nAuthorization: {value}"),
            };
            let request = with(&line);
            assert_eq!(basic.check(&request).ok(), user, "{value}");
            assert_eq!(bearer.check(&request).ok(), token, "{value}");
        }
        assert!(
            Basic::new([])
                .check(&with("\nAuthorization: Basic Og=="))
                .is_err()
        );
    }

    #[test]
    fn who_is_refused_is_told_what_is_wanted() {
        let refusal = Basic::new([]).check(&with("")).unwrap_err();
        let answer = refusal.response();
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        let refusal = Bearer::new::<&str>([])
            .unwrap()
            .check(&with(""))
            .unwrap_err();
        assert_eq!(refusal.response().headers()["www-authenticate"], "Bearer");
    }

    #[test]
    fn what_cannot_be_sent_is_an_error_when_it_is_given() {
        let long = "a".repeat(256);
        for (user, password) in [
            ("a:b", ""),
            ("a\r\n", ""),
            ("", "\0"),
            (&*long, ""),
            ("", &*long),
        ] {
            assert_eq!(Credentials::new(user, password), Err(InvalidCredentials));
        }
        let own = |user, password| Credentials::new(user, password).unwrap();
        assert_eq!(own("li", "s3cret"), own("li", "s3cret"));
        for other in [
            ("li", "s3cres"),
            ("li", "s3cre"),
            ("li", "s3cretli:s3cret"),
            ("l", "s3cret"),
        ] {
            assert_ne!(own("li", "s3cret"), own(other.0, other.1));
            assert_ne!(own(other.0, other.1), own("li", "s3cret"));
        }
        let both = Credentials::new("张", "a:b").unwrap();
        assert_eq!((both.user(), both.password()), ("张", "a:b"));
        for token in ["", "=", "a b", "a\n", "a=b", "张"] {
            assert!(Bearer::new([token]).is_err(), "{token:?}");
            assert!(Bearer::header(token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let own = Credentials::new("li", "s3cret").unwrap();
        let value = own.basic();
        let header = Bearer::header("s3cret").unwrap();
        let bearer = Bearer::new(["s3cret"]).unwrap();
        let shown = format!(
            "{own:?} {value:?} {header:?} {bearer:?} {:?}",
            Basic::new([own.clone()])
        );
        assert!(
            !shown.contains("s3cret") && !shown.contains("bGk6"),
            "{shown}"
        );
    }
}
