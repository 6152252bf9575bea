//! The faults that signed statements show, one module each (protocol §9).

pub mod equivocation;
