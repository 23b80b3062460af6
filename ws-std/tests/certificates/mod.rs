//! Certificates, good and bad, made for one test.

#![allow(dead_code, reason = "each test file uses its part")]

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Certificates that no client of `chat.example` who trusts `ours` accepts: what they are, and why
/// not.
pub(crate) fn rejected(
    ours: &Authority,
    other: &Authority,
) -> Vec<(&'static str, Certificate, &'static str)> {
    let years = |from, to| ours.issue_for(&["chat.example"], from, to);
    let issued = |name| ours.issue(&[name]);
    let unknown = "nobody who is trusted has issued it";
    let another = "it is for another host";
    vec![
        ("expired", years(2000, 2001), "it has expired"),
        ("not yet valid", years(2090, 2095), "it is not valid yet"),
        ("other host", issued("other.example"), another),
        ("another address", issued("127.0.0.2"), another),
        ("another's wildcard", issued("*.other.example"), another),
        ("a wildcard below it", issued("*.chat.example"), another),
        (
            "self-signed",
            Certificate::self_signed("chat.example"),
            unknown,
        ),
        ("wrong authority", other.issue(&["chat.example"]), unknown),
        (
            "chain missing",
            ours.intermediate().issue(&["chat.example"]).alone(),
            unknown,
        ),
    ]
}

/// Certificates that a client who trusts `ours` accepts: what they are, and for which host.
pub(crate) fn accepted(ours: &Authority) -> Vec<(&'static str, Certificate, &'static str)> {
    let issued = |name| ours.issue(&[name]);
    vec![
        ("good", issued("chat.example"), "chat.example"),
        (
            "for two hosts",
            ours.issue(&["a.example", "chat.example"]),
            "chat.example",
        ),
        ("for an address", issued("127.0.0.1"), "127.0.0.1"),
        ("wildcard", issued("*.chat.example"), "room.chat.example"),
        (
            "whole chain",
            ours.intermediate().issue(&["chat.example"]),
            "chat.example",
        ),
    ]
}

/// A certificate with what leads to its authority, and its key, in PEM.
pub(crate) struct Certificate {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// Whoever issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, and those above it but for the one that issued itself.
    chain: String,
    own: String,
}

impl Authority {
    /// One that issued itself.
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let own = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            chain: String::new(),
            own,
        }
    }

    /// One below it.
    pub(crate) fn intermediate(&self) -> Self {
        let (params, key) = (authority("in between"), KeyPair::generate().unwrap());
        let own = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            chain: format!("{own}{}", self.chain),
            own,
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.own.clone()
    }

    /// Issues one for these names, which is valid now.
    pub(crate) fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_for(names, 2000, 2090)
    }

    /// Issues one that is valid from the beginning of a year to that of another.
    pub(crate) fn issue_for(&self, names: &[&str], from: i32, to: i32) -> Certificate {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certificate {
            chain: format!("{own}{}", self.chain),
            key: key.serialize_pem(),
        }
    }
}

impl Certificate {
    /// One that nobody else issued.
    pub(crate) fn self_signed(name: &str) -> Self {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        Self {
            chain: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// Without what leads to its authority.
    pub(crate) fn alone(self) -> Self {
        let end = "-----END CERTIFICATE-----";
        let (first, _) = self.chain.split_once(end).unwrap();
        Self {
            chain: format!("{first}{end}\n"),
            ..self
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
