//! What an attack costs the others, as figures: all of them, or those whose names have a word in them.
//!
//! ```text
//! cargo bench -p ws-command --bench figures
//! cargo bench -p ws-command --bench figures -- stalled
//! ```
//!
//! Nothing is asserted about times: a busy machine has others. That the attacks fail, tests assert.

#[cfg(target_os = "linux")]
mod attacks;

#[cfg(target_os = "linux")]
#[path = "../../tests/command/common.rs"]
mod common;

#[cfg(target_os = "linux")]
fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    // Only when it is asked for: tests of all targets run it too.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    args.retain(|arg| !arg.starts_with("--"));
    let figures: [(&str, fn()); 5] = [
        ("joins", attacks::joins_of_other_rooms_beside_a_busy_one),
        (
            "refused",
            attacks::the_503_beside_a_thousand_that_were_refused,
        ),
        (
            "silent",
            attacks::honest_clients_beside_silent_ones_that_come_again,
        ),
        ("memory", attacks::service_without_memory),
        ("stalled", attacks::a_live_member_beside_a_thousand_stalled),
    ];
    for (name, measure) in figures {
        if args.is_empty() || args.iter().any(|word| name.contains(word)) {
            measure();
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
