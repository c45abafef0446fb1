//! Coded fragments by ChirpStack's lrwn. Arguments: dialect frag_size n_coded rounds; the block on standard input.
//! Writes the coded fragments to standard output and the best processor time in nanoseconds to standard error.
use std::io::{Read, Write};

use lrwn::applayer::fragmentation::{v1, v2};

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, now: *mut Timespec) -> i32;
}

/// Nanoseconds that this thread has computed.
fn clock() -> i64 {
    const OF_THREAD: i32 = 3; // CLOCK_THREAD_CPUTIME_ID
    let mut now = Timespec { sec: 0, nsec: 0 };
    assert_eq!(unsafe { clock_gettime(OF_THREAD, &mut now) }, 0);
    now.sec * 1_000_000_000 + now.nsec
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (dialect, frag_size, n_coded, rounds) = (numbers[0], numbers[1], numbers[2], numbers[3]);
    let mut block = Vec::new();
    std::io::stdin().read_to_end(&mut block).unwrap();
    let mut fragments = Vec::new();
    let mut best = i64::MAX;
    for _ in 0..rounds {
        let begin = clock();
        fragments = if dialect == 1 {
            v1::encode(&block, frag_size, n_coded).unwrap()
        } else {
            v2::encode(&block, frag_size, n_coded).unwrap()
        };
        best = best.min(clock() - begin);
    }
    let mut out = std::io::stdout().lock();
    for fragment in &fragments[block.len() / frag_size..] {
        out.write_all(fragment).unwrap();
    }
    eprintln!("{best}");
}
