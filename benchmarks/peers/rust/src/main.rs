//! Coded fragments by ChirpStack's lrwn. Arguments: dialect frag_size n_coded rounds; the block on standard input.
//! Writes the coded fragments to standard output and the best time in nanoseconds to standard error.
use std::io::{Read, Write};
use std::time::Instant;

use lrwn::applayer::fragmentation::{v1, v2};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (dialect, frag_size, n_coded, rounds) = (numbers[0], numbers[1], numbers[2], numbers[3]);
    let mut block = Vec::new();
    std::io::stdin().read_to_end(&mut block).unwrap();
    let mut fragments = Vec::new();
    let mut best = u128::MAX;
    for _ in 0..rounds {
        let begin = Instant::now();
        fragments = if dialect == 1 {
            v1::encode(&block, frag_size, n_coded).unwrap()
        } else {
            v2::encode(&block, frag_size, n_coded).unwrap()
        };
        best = best.min(begin.elapsed().as_nanos());
    }
    let mut out = std::io::stdout().lock();
    for fragment in &fragments[block.len() / frag_size..] {
        out.write_all(fragment).unwrap();
    }
    eprintln!("{best}");
}
