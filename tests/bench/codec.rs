//! How fast PostgreSQL's messages are cut out of a stream, read and written again. Asserts no time.
//!
//! `cargo bench --bench codec`

#![allow(clippy::expect_used, missing_docs, dead_code, unused_imports, reason = "a bench that has the codec alone")]

#[path = "../../src/gateways/postgres/codec/mod.rs"]
mod codec;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use codec::{Frame, Side, Splitter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Rows as a table of customers has them.
fn rows() -> Bytes {
    let mut all = BytesMut::new();
    for n in 0..2_000 {
        let (id, email) = (n.to_string(), format!("person{n}@example.com"));
        let values = [Some(id.as_bytes()), Some(email.as_bytes()), Some(b"4444444444444444"), None];
        codec::append_row(&mut all, 4, |body| values.iter().for_each(|value| codec::put_value(body, *value)));
    }
    all.freeze()
}

/// Queries as pgbench sends them.
fn queries() -> Bytes {
    let mut all = BytesMut::new();
    for n in 0..2_000 {
        all.extend_from_slice(&codec::query(&format!("SELECT abalance FROM pgbench_accounts WHERE aid = {n}")));
    }
    all.freeze()
}

fn whole(side: Side, stream: &Bytes, mut see: impl FnMut(u8, Bytes)) {
    let mut splitter = Splitter::new(side);
    // As they come from a socket.
    for at in (0..stream.len()).step_by(16 << 10) {
        splitter.feed(stream.slice(at..stream.len().min(at + (16 << 10))));
        while let Some(frame) = splitter.next().expect("good messages") {
            if let Frame::Whole(kind, bytes) = frame {
                see(kind, bytes);
            }
        }
    }
}

fn cut(bench: &mut Criterion) {
    let (rows, queries) = (rows(), queries());
    let mut group = bench.benchmark_group("codec");
    group.throughput(Throughput::Bytes(rows.len() as u64));
    group.bench_function("cut rows", |timer| timer.iter(|| whole(Side::Server, black_box(&rows), |_, bytes| drop(black_box(bytes)))));
    group.bench_function("cut, read and write rows", |timer| {
        timer.iter(|| {
            let mut again = BytesMut::with_capacity(rows.len());
            whole(Side::Server, black_box(&rows), |_, bytes| {
                let values = codec::row(&bytes).expect("a row");
                codec::append_row(&mut again, 4, |body| values.iter().for_each(|value| codec::put_value(body, *value)));
            });
            again
        });
    });
    group.throughput(Throughput::Bytes(queries.len() as u64));
    group.bench_function("cut and read queries", |timer| {
        timer.iter(|| {
            whole(Side::Client(1 << 20), black_box(&queries), |kind, bytes| assert!(codec::front(kind, &bytes).is_ok()));
        });
    });
}

criterion_group!(benches, cut);
criterion_main!(benches);
