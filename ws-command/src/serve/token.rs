//! `--token`: who has it is let in, by a header, by the URL, or by the cookie that the URL gives.

use ws_std::http;
use ws_std::{Bearer, InvalidCredentials, Request, Response, StatusCode};

/// The name in the query and of the cookie.
const NAME: &str = "token";

/// Admits clients that have the token.
#[derive(Clone)]
pub(super) struct Token {
    text: String,
    bearer: Bearer,
}

impl Token {
    pub(super) fn new(text: &str) -> Result<Self, InvalidCredentials> {
        Ok(Self {
            text: text.into(),
            bearer: Bearer::new([text])?,
        })
    }

    /// A path with the token, for a browser.
    pub(super) fn in_query(&self) -> String {
        format!("?{NAME}={}", self.text.replace('+', "%2B"))
    }

    /// The answer to a client without it. A browser cannot send headers with a WebSocket, so a page
    /// whose URL has the token gets it as a cookie, which no page of another site makes it send.
    pub(super) fn check(&self, request: &mut Request) -> Option<Response> {
        let Err(refusal) = self.bearer.check(request) else {
            return None;
        };
        if request
            .param(NAME)
            .is_some_and(|given| self.is_right(&given))
        {
            return (!request.wants_upgrade()).then(|| self.cookie(request));
        }
        match request
            .cookie(NAME)
            .is_some_and(|given| self.is_right(given))
        {
            true => None,
            false => Some(refusal.into()),
        }
    }

    /// Gives the token as a cookie, and leads to the same page without it in the URL.
    fn cookie(&self, request: &Request) -> Response {
        let secure = if request.is_secure() { "; Secure" } else { "" };
        let query = request.query().unwrap_or_default().split('&');
        let others = query.filter(|pair| pair.split('=').next() != Some(NAME));
        // Without a path it stays on this one: a path may begin with two slashes, which lead to
        // another host.
        let to = format!("?{}", others.collect::<Vec<_>>().join("&"));
        let cookie = format!(
            "{NAME}={}; HttpOnly; SameSite=Strict; Path=/{secure}",
            self.text
        );
        Response::text("")
            .with_status(StatusCode::SEE_OTHER)
            .header("location", to)
            .header("set-cookie", cookie)
    }

    /// Compares in a time that does not depend on what is given, as the header is compared.
    fn is_right(&self, given: &str) -> bool {
        let Ok(header) = Bearer::header(given) else {
            return false;
        };
        let mut head = http::Request::new(());
        head.headers_mut()
            .insert(http::header::AUTHORIZATION, header);
        let request = Request::new(head, ([0, 0, 0, 0], 0).into());
        self.bearer.check(&request).is_ok()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}
