//! The limit: nothing that reads a gzip member can be faster than inflating it.

use libdeflater::Decompressor;

/// Inflates with libdeflate and leaves it at that. The checksum is checked: leaving it out gains nothing measurable.
pub struct Limit {
    decompressor: Decompressor,
    buffer: Vec<u8>,
}

impl Default for Limit {
    fn default() -> Self {
        Self { decompressor: Decompressor::new(), buffer: Vec::new() }
    }
}

impl Limit {
    /// Inflates every payload; the bytes that came out of all.
    ///
    /// # Panics
    ///
    /// If a payload is not one sound gzip member.
    pub fn run(&mut self, payloads: &[Vec<u8>]) -> usize {
        payloads.iter().map(|payload| self.inflate(payload)).sum()
    }

    fn inflate(&mut self, payload: &[u8]) -> usize {
        let trailer = payload.last_chunk().expect("a gzip member ends in its length");
        let length = u32::from_le_bytes(*trailer) as usize;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let inflated = self.decompressor.gzip_decompress(payload, &mut self.buffer[..length]);
        std::hint::black_box(&self.buffer);
        inflated.expect("the payloads are sound")
    }
}
