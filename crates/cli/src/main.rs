//! The one binary, `surety`.

