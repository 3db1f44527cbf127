//! Numbers to bytes and back, little-endian, without a length that could lie.

/// No scorer holds greater numbers: a table holds values up to 1e30 and differences of two, a mean square of counts 1e60.
const F32_MAX: f32 = 1e31;
const F64_MAX: f64 = 1e65;

/// Why bytes are no state of a scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damaged {
    /// Written by another version; the byte says which. Learn the series anew.
    Version(u8),
    /// Too short, too long, or a number that no scorer holds. Learn the series anew.
    Content,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "read a scorer's state: version {version} is not known here; learn the series anew")
            }
            Self::Content => f.write_str("read a scorer's state: the bytes are damaged; learn the series anew"),
        }
    }
}

impl std::error::Error for Damaged {}

/// Appends numbers.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn f32s(&mut self, values: &[f32]) {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
}

/// Takes numbers off the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged::Content)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.bytes(N).map(|taken| taken.try_into().expect("as many bytes were taken as the array holds"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number that is at most `max`.
    pub(super) fn u8_to(&mut self, max: usize) -> Result<u8, Damaged> {
        self.u8().and_then(|value| if usize::from(value) <= max { Ok(value) } else { Err(Damaged::Content) })
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Damaged> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number whose square is finite too.
    pub(super) fn f64(&mut self) -> Result<f64, Damaged> {
        let value = f64::from_le_bytes(self.array()?);
        if value.abs() <= F64_MAX { Ok(value) } else { Err(Damaged::Content) }
    }

    /// A number that is not below 0.
    pub(super) fn size(&mut self) -> Result<f64, Damaged> {
        self.f64().and_then(|value| if value >= 0.0 { Ok(value) } else { Err(Damaged::Content) })
    }

    pub(super) fn f32(&mut self) -> Result<f32, Damaged> {
        let value = f32::from_le_bytes(self.array()?);
        if value.abs() <= F32_MAX { Ok(value) } else { Err(Damaged::Content) }
    }
}
