//! What is said when it listens: where, and for those elsewhere an address to open, as text and as a
//! picture that a telephone reads.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use qrcode::{Color, QrCode};

/// The address under which others reach it, if others can.
pub(super) fn reachable(listening: SocketAddr) -> Option<SocketAddr> {
    match listening.ip() {
        ip if ip.is_loopback() => None,
        ip if ip.is_unspecified() => Some((own_address(ip)?, listening.port()).into()),
        _ => Some(listening),
    }
}

/// The address that the system would send from. Nothing is sent: to connect a UDP socket looks up the
/// way, and an address for documentation is on the way that leads everywhere.
fn own_address(listening: IpAddr) -> Option<IpAddr> {
    let everywhere = match listening {
        IpAddr::V4(_) => "192.0.2.1:9",
        IpAddr::V6(_) => "[2001:db8::1]:9",
    };
    let socket = UdpSocket::bind((listening, 0)).ok()?;
    socket.connect(everywhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

/// A QR code, two modules in a row of text. Dark is dark on any terminal; around it is the margin of
/// four modules that the standard asks for. `None` of what is too long for one.
pub(super) fn picture(text: &str) -> Option<String> {
    const MARGIN: usize = 4;
    let code = QrCode::new(text).ok()?;
    let (width, colours) = (code.width(), code.to_colors());
    let is_dark = |x: usize, y: usize| {
        let (x, y) = (x.checked_sub(MARGIN), y.checked_sub(MARGIN));
        match (x, y) {
            (Some(x), Some(y)) if x < width && y < width => colours[y * width + x] == Color::Dark,
            _ => false,
        }
    };
    let side = width + 2 * MARGIN;
    let mut shown = String::new();
    for y in (0..side).step_by(2) {
        shown += "\x1b[30;107m";
        for x in 0..side {
            shown.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        shown += "\x1b[m\n";
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_can_reach_is_shown_to_them() {
        let of = |text: &str| reachable(text.parse().unwrap());
        assert_eq!(of("127.0.0.1:9001"), None);
        assert_eq!(of("[::1]:9001"), None);
        assert_eq!(
            of("192.168.1.2:9001"),
            Some("192.168.1.2:9001".parse().unwrap())
        );
        // Without a network there is none.
        if let Some(own) = of("0.0.0.0:9001") {
            assert!(own.port() == 9001 && !own.ip().is_unspecified());
        }
    }

    #[test]
    fn the_picture_has_the_corners_of_a_code() {
        let shown = picture("http://192.168.1.20:9001/").unwrap();
        let rows: Vec<Vec<char>> = shown
            .lines()
            .map(|row| {
                let row = row.strip_prefix("\x1b[30;107m").unwrap();
                row.strip_suffix("\x1b[m").unwrap().chars().collect()
            })
            .collect();
        // 25 modules, and the margin on both sides.
        assert!(rows.iter().all(|row| row.len() == 33), "{shown}");
        assert_eq!(rows.len(), 17);
        let text =
            |row: usize, from: usize, to: usize| rows[row][from..to].iter().collect::<String>();
        // The margin, and the finder patterns of the upper corners, 7 by 7.
        assert_eq!(text(0, 0, 33), " ".repeat(33));
        assert_eq!(text(2, 4, 11), "█▀▀▀▀▀█");
        assert_eq!(text(3, 4, 11), "█ ███ █");
        assert_eq!(text(4, 4, 11), "█ ▀▀▀ █");
        assert_eq!(text(5, 4, 11), "▀▀▀▀▀▀▀");
        assert_eq!(text(2, 22, 29), "█▀▀▀▀▀█");
    }
}
