//! The form of profiles that pprof reads: a gzipped message of protocol buffers (github.com/google/pprof, proto/profile.proto). Only
//! what a CPU profile needs of it, which is less than a library for such messages would bring along.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::{Report, Symbol};

// Field numbers of `Profile`.
const SAMPLE_TYPE: u64 = 1;
const SAMPLE: u64 = 2;
const LOCATION: u64 = 4;
const FUNCTION: u64 = 5;
const STRING_TABLE: u64 = 6;
const TIME_NANOS: u64 = 9;
const DURATION_NANOS: u64 = 10;
const PERIOD_TYPE: u64 = 11;
const PERIOD: u64 = 12;

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn packed(self, field: u64, values: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.varint(value));
        self.message(field, &packed)
    }
}

/// Texts by their place in the table; the first is empty.
struct Strings(HashMap<String, u64>);

impl Strings {
    fn place(&mut self, text: &str) -> u64 {
        let next = self.0.len() as u64;
        *self.0.entry(text.to_owned()).or_insert(next)
    }

    fn in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|(_, place)| *place);
        all.into_iter().map(|(text, _)| text).collect()
    }
}

/// Functions by name; each is its own location, because lines are not in the program.
struct Table {
    strings: Strings,
    functions: HashMap<String, u64>,
    profile: Message,
}

impl Table {
    fn location(&mut self, symbol: &Symbol) -> u64 {
        // A program without symbols has at least addresses.
        let name = match (&symbol.name, symbol.addr) {
            (None, Some(address)) => format!("{address:p}"),
            _ => symbol.name(),
        };
        if let Some(id) = self.functions.get(&name) {
            return *id;
        }
        let id = self.functions.len() as u64 + 1;
        let (text, file) = (self.strings.place(&name), self.strings.place(&symbol.filename()));
        let function = Message::default().number(1, id).number(2, text).number(3, text).number(4, file);
        let location = Message::default().number(1, id).message(4, &Message::default().number(1, id));
        self.profile =
            std::mem::take(&mut self.profile).message(FUNCTION, &function).message(LOCATION, &location);
        self.functions.insert(name, id);
        id
    }
}

/// A report as pprof reads it.
pub(super) fn gzipped(report: &Report, frequency: i32) -> io::Result<Vec<u8>> {
    let strings = Strings([(String::new(), 0)].into());
    let mut table = Table { strings, functions: HashMap::new(), profile: Message::default() };
    let period = 1_000_000_000 / u64::from(frequency.unsigned_abs().max(1));
    for (frames, count) in &report.data {
        let locations: Vec<_> = frames.frames.iter().flatten().map(|symbol| table.location(symbol)).collect();
        let count = *count as u64;
        let sample = Message::default().packed(1, locations).packed(2, [count, count * period]);
        table.profile = std::mem::take(&mut table.profile).message(SAMPLE, &sample);
    }
    let Table { mut strings, profile, .. } = table;
    let mut value = |kind: &str, unit: &str| {
        Message::default().number(1, strings.place(kind)).number(2, strings.place(unit))
    };
    let (samples, time) = (value("samples", "count"), value("cpu", "nanoseconds"));
    let start = report.timing.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut profile = profile
        .message(SAMPLE_TYPE, &samples)
        .message(SAMPLE_TYPE, &time)
        .message(PERIOD_TYPE, &time)
        .number(PERIOD, period)
        .number(TIME_NANOS, start.as_nanos() as u64)
        .number(DURATION_NANOS, report.timing.duration.as_nanos() as u64);
    for text in strings.in_order() {
        profile = profile.bytes(STRING_TABLE, text.as_bytes());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&profile.0)?;
    gzip.finish()
}
