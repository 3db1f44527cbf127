//! A scorer as bytes: what it must remember, and no more.
//!
//! Nothing is rounded: a scorer that was written and read back goes on as if it had never stopped, so that two workers
//! never tell different things of one series.

use super::average::Average;
use super::code::{Damaged, Reader, Writer};
use super::noise::{Item, Spread};
use super::recent::Recent;
use super::season::Season;
use super::{Kind, PARTS, Scorer};

/// The version that is written. The next one shall read this one too; one that is older than the one before is refused.
const VERSION: u8 = 1;

/// No state is larger. Of a usual series it has about 4,000 bytes, of a value's 4,500.
pub const STATE_BYTES_MAX: usize = 6_000;

impl Kind {
    const ALL: [Self; 4] = [Self::Value, Self::Count, Self::Share, Self::Mean];
}

impl Scorer {
    /// Appends the state.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut writer = Writer(bytes);
        writer.u8(VERSION);
        writer.u8(Kind::ALL.iter().position(|&kind| kind == self.kind).expect("all kinds are in the list") as u8);
        writer.u8(u8::from(self.times.is_some()));
        let (first_s, last_s) = self.times.unwrap_or_default();
        writer.i64(first_s);
        writer.i64(last_s);
        writer.f64(self.reference);
        self.level.encode(&mut writer);
        self.season.encode(&mut writer);
        if let Some(scaled) = &self.scaled {
            scaled.encode(&mut writer);
        }
        self.recent.encode(&mut writer);
        if self.kind != Kind::Value {
            self.item.encode(&mut writer);
            self.spreads.iter().for_each(|spread| spread.encode(&mut writer));
        }
        self.tails.iter().for_each(|tail| tail.encode(&mut writer));
    }

    /// The scorer whose state these bytes are, all of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(Damaged::Version(version));
        }
        let kind = Kind::ALL[usize::from(reader.u8_to(Kind::ALL.len() - 1)?)];
        let mut scorer = Self::new(kind);
        let begun = reader.u8_to(1)? == 1;
        let times = (reader.i64()?, reader.i64()?);
        if times.0 > times.1 || (!begun && times != (0, 0)) {
            return Err(Damaged::Content);
        }
        scorer.times = begun.then_some(times);
        scorer.reference = reader.f64()?;
        scorer.level = Average::decode(&mut reader)?;
        scorer.season = Season::decode(&mut reader)?;
        if let Some(scaled) = &mut scorer.scaled {
            **scaled = Season::decode(&mut reader)?;
        }
        scorer.recent = Recent::decode(&mut reader)?;
        if kind != Kind::Value {
            scorer.item = Item::decode(&mut reader)?;
            for part in 0..PARTS {
                scorer.spreads[part] = Spread::decode(&mut reader)?;
            }
        }
        scorer.tails =
            scorer.tails.into_iter().map(|tail| tail.decode(&mut reader)).collect::<Result<Vec<_>, Damaged>>()?;
        if reader.0.is_empty() { Ok(scorer) } else { Err(Damaged::Content) }
    }
}
